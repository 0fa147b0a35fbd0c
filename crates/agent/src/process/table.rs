//! All processes that were started here, and how their ends are noticed.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use std::{io, iter};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use reveille_wire::ProcessRequest;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::child::{Keep, Next, Orders, Process};
use super::log::Source;
use super::output;
use super::shell::{Shell, is_folder};
use crate::failure::Failure;

/// How many processes are remembered after their end. The oldest is forgotten first.
const REMEMBERED: usize = 1024;
/// How much output of ended processes is kept in all, in bytes. The oldest is forgotten first.
const REMEMBERED_OUTPUT: usize = 64 << 20;
/// How long a process may keep the sandbox awake when nothing was said: ten minutes, as on the platform.
const KEEP_AWAKE: Duration = Duration::from_secs(600);

/// The longest time that is told apart from one without an end: a hundred years. Clocks bear it being added to now.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The processes of this sandbox. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shell: Shell,
    /// In the order in which they were started.
    table: Mutex<VecDeque<Arc<Process>>>,
    /// Held from before a process is started until it is in the table, and while ends are noticed: otherwise the end
    /// of a short process could come before anybody knows whose it is.
    births: tokio::sync::Mutex<()>,
    /// Held for reading by whoever takes something from the kernel that it gives only once: output, the end of a
    /// process. Held for writing by whoever needs that nothing is on its way into the table.
    still: RwLock<()>,
}

impl Processes {
    /// No processes yet.
    pub(crate) fn new() -> Self {
        let shared = Shared {
            shell: Shell::from_env(),
            table: Mutex::default(),
            births: tokio::sync::Mutex::new(()),
            still: RwLock::new(()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts what was asked for.
    ///
    /// # Errors
    /// When a running process has the name, or it cannot be started.
    pub(crate) async fn start(&self, request: ProcessRequest) -> Result<Arc<Process>, Failure> {
        if request.command.is_empty() {
            return Err(Failure::bad("command is missing"));
        }
        let keep = keep(&request);
        let orders = orders(request);
        let this = self.clone();
        let started = tokio::task::spawn_blocking(move || this.start_now(orders, keep)).await;
        started.unwrap_or_else(|error| Err(Failure::unworkable(format!("the start broke off: {error}"))))
    }

    fn start_now(&self, orders: Orders, keep: Keep) -> Result<Arc<Process>, Failure> {
        let _births = self.shared.births.blocking_lock();
        let taken = self.latest(|process| process.orders.name == orders.name);
        if taken.is_some_and(|process| !process.standing().is_over()) {
            return Err(Failure::bad(format!("a running process has the name {:?}", orders.name)));
        }
        if !is_folder(&orders.working_dir) {
            return Err(Failure::unworkable(format!("the folder {:?} does not exist", orders.working_dir)));
        }
        let _still = self.shared.still.read().unwrap_or_else(PoisonError::into_inner);
        let started = self.shared.shell.start(&orders).map_err(|error| cannot_start(&error))?;
        let process = Arc::new(Process::new(started.pid, orders, keep));
        process.input.open(started.input);
        self.table().push_back(Arc::clone(&process));
        self.read_all(&process, started.output);
        self.expire_in_time(&process);
        Ok(process)
    }

    /// Takes up a process that another program started.
    pub(crate) fn take_up(&self, process: Arc<Process>, output: Vec<(Source, OwnedFd)>) {
        self.table().push_back(Arc::clone(&process));
        self.read_all(&process, output);
        self.expire_in_time(&process);
        if process.wants_restart() {
            self.restart_after(Duration::ZERO, process);
        }
    }

    /// Starts something of the agent's own, of which only what it says matters.
    pub(crate) async fn start_unlisted(&self, mut command: Command) -> io::Result<pipe::Receiver> {
        let births = self.births().await;
        let child = tokio::task::spawn_blocking(move || command.spawn()).await.map_err(io::Error::other)?;
        drop(births);
        let output = child?.stdout.ok_or_else(|| io::Error::other("it has no output"))?;
        pipe::Receiver::from_owned_fd(output.into())
    }

    /// Keeps anything from being started, and any end from being noticed.
    pub(crate) async fn births(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.births.lock().await
    }

    /// Notices the ends of processes, as the kernel tells of them. Never ends.
    ///
    /// # Errors
    /// When the system does not tell of them.
    pub(crate) async fn reap(self) -> io::Result<()> {
        let mut ends = signal(SignalKind::child())?;
        loop {
            let births = self.births().await;
            self.reap_now();
            drop(births);
            if ends.recv().await.is_none() {
                return Ok(());
            }
        }
    }

    fn reap_now(&self) {
        let mut over = Remembered::Same;
        {
            let _still = self.shared.still.read().unwrap_or_else(PoisonError::into_inner);
            loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::Exited(pid, code)) => over = over.or(self.ended(pid, code)),
                    Ok(WaitStatus::Signaled(pid, ..)) => over = over.or(self.ended(pid, -1)),
                    Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => {
                        tracing::warn!(%error, "the ends of processes are not told");
                        break;
                    }
                }
            }
        }
        if over == Remembered::More {
            self.forget_oldest();
        }
    }

    /// Takes note of an end. An orphan of a process, which nobody asked for, leaves no trace.
    fn ended(&self, pid: Pid, exit_code: i32) -> Remembered {
        let Some(process) = self.latest(|process| process.standing().running == Some(pid.as_raw())) else {
            return Remembered::Same;
        };
        match process.ended(exit_code) {
            Next::Over => Remembered::More,
            Next::Restart(pause) => {
                self.restart_after(pause, process);
                Remembered::Same
            }
        }
    }

    fn restart_after(&self, pause: Duration, process: Arc<Process>) {
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            tokio::task::spawn_blocking(move || this.restart_now(&process)).await
        });
    }

    fn restart_now(&self, process: &Arc<Process>) {
        let _births = self.shared.births.blocking_lock();
        let _still = self.shared.still.read().unwrap_or_else(PoisonError::into_inner);
        if !process.wants_restart() {
            return;
        }
        match self.shared.shell.start(&process.orders) {
            Ok(started) => {
                process.input.open(started.input);
                process.restarted(started.pid);
                self.read_all(process, started.output);
            }
            Err(error) => process.not_restarted(&error),
        }
    }

    /// Reads what a process writes, for as long as anything holds the other end.
    fn read_all(&self, process: &Arc<Process>, output: Vec<(Source, OwnedFd)>) {
        let mut pipes = Vec::with_capacity(output.len());
        for (source, pipe) in output {
            match pipe::Receiver::from_owned_fd(pipe) {
                Ok(pipe) => pipes.push((source, Arc::new(pipe))),
                Err(error) => tracing::warn!(%error, %source, "output cannot be read"),
            }
        }
        process.attach(&pipes);
        tokio::spawn(output::read(self.clone(), Arc::clone(process), pipes));
    }

    fn expire_in_time(&self, process: &Arc<Process>) {
        let Some(left) = process.standing().expires_in() else { return };
        let process = Arc::clone(process);
        tokio::spawn(async move {
            tokio::select! {
                () = process.over() => {}
                () = tokio::time::sleep(left) => process.expire(),
            }
        });
    }

    /// The process with this number, else the latest with this name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Process>, Failure> {
        let number: Option<i32> = id.parse().ok();
        number
            .and_then(|number| self.latest(|process| process.pid.as_raw() == number))
            .or_else(|| self.latest(|process| process.orders.name == id))
            .ok_or_else(|| Failure::absent(format!("there is no process {id:?}")))
    }

    /// All that are known, in the order in which they were started.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.table().iter().cloned().collect()
    }

    fn latest(&self, wanted: impl Fn(&Process) -> bool) -> Option<Arc<Process>> {
        self.table().iter().rev().find(|process| wanted(process)).cloned()
    }

    /// What is held for reading while something is taken from the kernel that it gives only once.
    pub(crate) fn still(&self) -> &RwLock<()> {
        &self.shared.still
    }

    fn table(&self) -> MutexGuard<'_, VecDeque<Arc<Process>>> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_oldest(&self) {
        let mut table = self.table();
        let (mut count, mut output) = (0, 0);
        // From the latest to the oldest: what no longer fits is forgotten.
        for process in table.iter().rev().filter(|process| process.standing().is_over()) {
            count += 1;
            output += process.with_log(|log| log.size());
            if output > REMEMBERED_OUTPUT {
                process.with_log(super::log::Log::forget);
            }
        }
        let mut surplus = count - REMEMBERED.min(count);
        table.retain(|process| {
            let goes = surplus > 0 && process.standing().is_over();
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// Whether there is more to remember than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remembered {
    Same,
    More,
}

impl Remembered {
    fn or(self, other: Self) -> Self {
        if self == Self::More { self } else { other }
    }
}

/// Whether what was asked for keeps the sandbox awake.
pub(crate) fn keep(request: &ProcessRequest) -> Keep {
    match (request.keep_alive, request.timeout) {
        (false, _) => Keep::Not,
        (true, Some(0)) => Keep::Awake,
        (true, Some(seconds @ 1..)) => Keep::AwakeFor(seconds_of(seconds)),
        (true, _) => Keep::AwakeFor(KEEP_AWAKE),
    }
}

/// A number of seconds that a caller gave, as far as a clock can follow it.
pub(crate) fn seconds_of(given: i64) -> Duration {
    Duration::from_secs(given.max(0).cast_unsigned()).min(LONGEST)
}

fn orders(request: ProcessRequest) -> Orders {
    let letter = || fastrand::alphanumeric().to_ascii_lowercase();
    Orders {
        name: request
            .name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("proc-{}", iter::repeat_with(letter).take(8).collect::<String>())),
        command: request.command,
        working_dir: request.working_dir.unwrap_or_default(),
        env: request.env,
        restart_on_failure: request.restart_on_failure,
        max_restarts: request.max_restarts.unwrap_or(0),
        stdin: request.stdin,
    }
}

fn cannot_start(error: &io::Error) -> Failure {
    Failure::unworkable(format!("the process could not be started: {error}"))
}
