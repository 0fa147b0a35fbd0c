//! All processes that were started here.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use reveille_wire::ProcessRequest;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::child::Process;
use super::known::Known;
use super::log::{Log, Place, Source};
use super::orders::{Keep, Orders};
use super::output;
use super::shell::Shell;
use super::standing::End;
use crate::domain::Domain;
use crate::failure::Failure;
use crate::user::User;

/// How much of a command an error repeats, in letters.
const REPEATED: usize = 200;

/// The processes of this sandbox. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shell: Shell,
    place: Arc<Place>,
    known: Mutex<Known>,
    /// Held from before a process is started until it is known, and while ends are noticed: otherwise the end of a
    /// short process could come before anybody knows whose it is.
    births: tokio::sync::Mutex<()>,
    /// Who waits for the ends of what is no process of the table, by its number.
    awaited: Mutex<HashMap<i32, watch::Sender<Option<End>>>>,
    /// Held for reading by whoever takes something from the kernel that it gives only once: output, the end of a
    /// process. Held for writing by whoever needs that nothing is on its way in.
    still: RwLock<()>,
}

impl Processes {
    /// No processes yet. Of each stream of one that comes, so many bytes will be kept; it is started in `domain`, and
    /// runs as `user`, else as the agent does.
    pub(crate) fn new(output_kept: u64, domain: Domain, user: Option<User>) -> Self {
        let shared = Shared {
            shell: Shell::from_env(domain, user),
            place: Arc::new(Place::of_bound(output_kept)),
            known: Mutex::default(),
            births: tokio::sync::Mutex::new(()),
            awaited: Mutex::default(),
            still: RwLock::new(()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Who they run as, where that is not who the agent is.
    pub(crate) fn user(&self) -> Option<&User> {
        self.shared.shell.user()
    }

    /// Where `folder` is for what is started; nothing where that begins there without being told.
    pub(crate) fn folder(&self, folder: &str) -> Option<PathBuf> {
        self.shared.shell.folder(folder)
    }

    /// From where they are started.
    pub(crate) fn domain(&self) -> &Domain {
        self.shared.shell.domain()
    }

    /// The number in the kernel of what runs now for the process that is known by `pid`: once it was restarted, it is
    /// another one.
    pub(crate) fn number(&self, pid: i32) -> i32 {
        let process = self.known().find(&pid.to_string()).filter(|process| process.pid.as_raw() == pid);
        process.and_then(|process| process.standing().running).unwrap_or(pid)
    }

    /// Starts what was asked for.
    ///
    /// # Errors
    /// When a running process has the name, or it cannot be started.
    pub(crate) async fn start(&self, request: ProcessRequest) -> Result<Arc<Process>, Failure> {
        if request.command.is_empty() {
            return Err(Failure::bad("command is missing"));
        }
        let keep = Keep::from(&request);
        let orders = Orders::from(request);
        let this = self.clone();
        let started = tokio::task::spawn_blocking(move || this.start_now(orders, keep)).await;
        started.unwrap_or_else(|error| Err(Failure::unworkable(format!("the start broke off: {error}"))))
    }

    fn start_now(&self, orders: Orders, keep: Keep) -> Result<Arc<Process>, Failure> {
        let _births = self.shared.births.blocking_lock();
        if self.known().named(&orders.name).is_some_and(|other| !other.standing().is_over()) {
            return Err(Failure::bad(format!(
                "process with name {:?} already exists and is running",
                orders.name
            )));
        }
        if !self.shared.shell.is_folder(&orders.working_dir) {
            return Err(cannot_start(&orders, &"the folder does not exist"));
        }
        let _still = self.shared.still.read().unwrap_or_else(PoisonError::into_inner);
        let started = self.shared.shell.start(&orders).map_err(|error| cannot_start(&orders, &error))?;
        let log = Log::new(&self.shared.place);
        let process = Arc::new(Process::new(started.pid, orders, keep, log));
        process.input.open(started.input);
        self.known().add(&process);
        self.read_all(&process, started.output);
        self.expire_in_time(&process);
        Ok(process)
    }

    /// Takes up a process that another program started.
    pub(crate) fn take_up(&self, process: Arc<Process>, output: Vec<(Source, OwnedFd)>) {
        self.known().add(&process);
        self.read_all(&process, output);
        self.expire_in_time(&process);
        if process.wants_restart() {
            self.restart_after(Duration::ZERO, process);
        }
    }

    /// Starts something of the agent's own, of which only what it says matters.
    pub(crate) async fn start_unlisted(&self, mut command: Command) -> io::Result<pipe::Receiver> {
        let births = self.births().await;
        let domain = self.domain().clone();
        let child = tokio::task::spawn_blocking(move || domain.start(move || command.spawn())).await;
        let child = child.map_err(io::Error::other)?;
        drop(births);
        let output = child?.stdout.ok_or_else(|| io::Error::other("it has no output"))?;
        pipe::Receiver::from_owned_fd(output.into())
    }

    /// Tells how the child `pid` ends, which is no process of the table. Whoever asks has held
    /// [`births`](Self::births) since before it was started, or is about to begin noticing ends.
    pub(crate) fn end_of(&self, pid: i32) -> watch::Receiver<Option<End>> {
        let (tell, told) = watch::channel(None);
        self.awaited().insert(pid, tell);
        told
    }

    /// Tells whoever waits for the end of `pid`. An orphan, which nobody asked for, leaves no trace.
    pub(super) fn tell_end_of(&self, pid: i32, end: End) {
        if let Some(tell) = self.awaited().remove(&pid) {
            tell.send_replace(Some(end));
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<i32, watch::Sender<Option<End>>>> {
        self.shared.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps anything from being started, and any end from being noticed.
    pub(crate) async fn births(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.births.lock().await
    }

    /// Starts `process` again after `pause`, if nobody has asked it to end by then.
    pub(super) fn restart_after(&self, pause: Duration, process: Arc<Process>) {
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
                self.known().runs(started.pid, process);
                self.read_all(process, started.output);
            }
            Err(error) => {
                process.not_restarted(&error);
                let weight = process.weight();
                self.known().over(process, weight);
            }
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
        self.known().find(id).ok_or_else(|| Failure::absent(format!("process {id:?} not found")))
    }

    /// All that are known, in the order in which they were started.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.known().all().cloned().collect()
    }

    /// How many processes keep the sandbox awake.
    pub(crate) fn keeping_awake(&self) -> usize {
        let known = self.known();
        // One that waits for its restart runs, too.
        known.all().rev().filter(|process| process.keeps_awake()).count()
    }

    /// Where output is kept.
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.shared.place
    }

    /// What is held for reading while something is taken from the kernel that it gives only once.
    pub(crate) fn still(&self) -> &RwLock<()> {
        &self.shared.still
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_start(orders: &Orders, why: &dyn std::fmt::Display) -> Failure {
    let command: String = orders.command.chars().take(REPEATED).collect();
    let more = if command.len() < orders.command.len() { "..." } else { "" };
    let folder = &orders.working_dir;
    Failure::unworkable(format!("could not execute command {:?} in {folder:?}: {why}", command + more))
}
