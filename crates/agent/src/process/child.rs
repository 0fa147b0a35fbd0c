//! One process, from its start to long after its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reveille_wire::{ProcessLogs, ProcessResponse, ProcessStatus};
use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::input::Input;
use super::log::{KEPT, Log, Piece, Source};
use crate::clock;

/// How much of each stream stands in the answer about a process, in bytes.
const INLINE: usize = 64 << 10;
/// How much is read at once; what a pipe holds.
const READ: usize = 64 << 10;
/// How often a pipe is read when its process has ended: as much as the largest pipe holds. A child that was left
/// behind may go on writing without an end.
const LAST_READS: usize = 16;
/// The first pause before a restart; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) working_dir: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) restart_on_failure: bool,
    pub(crate) max_restarts: i64,
    #[serde(default)]
    pub(crate) stdin: bool,
}

/// A process that was started here.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number, and what it is known by. A restart does not change it.
    pub(crate) pid: Pid,
    pub(crate) orders: Orders,
    pub(crate) input: Input,
    started_at: SystemTime,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// A pipe that a process writes to.
pub(crate) type Pipe = Arc<pipe::Receiver>;

#[derive(Debug)]
struct State {
    standing: Standing,
    log: Log,
    output: Vec<(Source, Pipe)>,
}

/// How a process stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) status: ProcessStatus,
    /// The process that runs for it now: none before a restart and after the end.
    pub(crate) running: Option<i32>,
    /// When it was over, in seconds since 1970.
    pub(crate) completed_at: Option<u64>,
    pub(crate) exit_code: i32,
    pub(crate) restart_count: i64,
    pub(crate) keep_alive: bool,
    /// When it has kept the sandbox awake for long enough, in milliseconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

/// What comes after the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it is over.
    Over,
    /// It is started again after this pause.
    Restart(Duration),
}

/// Why a process cannot be signalled: it runs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRunning;

impl Process {
    /// A process that has just been started.
    pub(crate) fn new(pid: Pid, orders: Orders, keep: Keep) -> Self {
        let standing = Standing { running: Some(pid.as_raw()), ..Standing::at_start(keep) };
        Self::restored(pid, orders, SystemTime::now(), standing, Log::default())
    }

    /// A process that another program started.
    pub(crate) fn restored(
        pid: Pid,
        orders: Orders,
        started_at: SystemTime,
        standing: Standing,
        log: Log,
    ) -> Self {
        let state = Mutex::new(State { standing, log, output: Vec::new() });
        Self { pid, orders, input: Input::default(), started_at, state, changed: watch::Sender::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it was started first.
    pub(crate) fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// How it stands now.
    pub(crate) fn standing(&self) -> Standing {
        self.state().standing.clone()
    }

    /// Tells of everything that changes: output, restarts, the end.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Ends when it is over.
    pub(crate) async fn over(&self) {
        let mut changes = self.changes();
        while !self.standing().is_over() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes `pipes` for its output.
    pub(crate) fn attach(&self, pipes: &[(Source, Pipe)]) {
        self.state().output.extend_from_slice(pipes);
    }

    /// Forgets a pipe that has come to its end.
    pub(crate) fn detach(&self, pipe: &Pipe) {
        self.state().output.retain(|(_, other)| !Arc::ptr_eq(pipe, other));
    }

    /// Takes in what `pipe` is ready to give, once. 0 is its end.
    pub(crate) fn read(&self, source: Source, pipe: &Pipe) -> io::Result<usize> {
        let mut state = self.state();
        let read = state.take_in(source, |buffer| pipe.try_read(buffer))?;
        drop(state);
        self.changed.send_replace(());
        Ok(read)
    }

    /// Notes that the process that runs for it has ended with `exit_code`, and takes in what it wrote last.
    pub(crate) fn ended(&self, exit_code: i32) -> Next {
        self.input.close();
        let mut state = self.state();
        for (source, pipe) in state.output.clone() {
            // Past the runtime, which has perhaps not heard yet that there is something to read.
            let mut read = || state.take_in(source, |buffer| Ok(rustix::io::read(&*pipe, buffer)?));
            let mut reads = 0;
            while reads < LAST_READS && matches!(read(), Ok(1..)) {
                reads += 1;
            }
        }
        state.standing.running = None;
        state.standing.exit_code = exit_code;
        let next = self.after(&state.standing);
        match next {
            Next::Over => state.standing.finish(),
            Next::Restart(_) => {
                state.standing.restart_count += 1;
                let line = self.restart_line(&state.standing);
                state.log.append(Source::Stdout, line.as_bytes());
            }
        }
        drop(state);
        self.changed.send_replace(());
        next
    }

    fn after(&self, standing: &Standing) -> Next {
        let may = self.orders.max_restarts < 0 || standing.restart_count < self.orders.max_restarts;
        let failed = standing.status == ProcessStatus::Running && standing.exit_code != 0;
        if !(failed && self.orders.restart_on_failure && may) {
            return Next::Over;
        }
        let doublings = u32::try_from(standing.restart_count.clamp(0, 10)).unwrap_or(0);
        Next::Restart((FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE))
    }

    fn restart_line(&self, standing: &Standing) -> String {
        let (count, code) = (standing.restart_count, standing.exit_code);
        match self.orders.max_restarts {
            ..0 => format!("[restart {count} after exit code {code}]\n"),
            most => format!("[restart {count} of {most} after exit code {code}]\n"),
        }
    }

    /// Whether it waits for being started again.
    pub(crate) fn wants_restart(&self) -> bool {
        let standing = self.standing();
        standing.status == ProcessStatus::Running && standing.running.is_none()
    }

    /// Notes that `pid` runs for it now.
    pub(crate) fn restarted(&self, pid: Pid) {
        let mut state = self.state();
        state.standing.running = Some(pid.as_raw());
        state.standing.exit_code = 0;
        drop(state);
        self.changed.send_replace(());
    }

    /// Notes that it could not be started again.
    pub(crate) fn not_restarted(&self, error: &io::Error) {
        let mut state = self.state();
        state.log.append(Source::Stderr, format!("[it could not be started again: {error}]\n").as_bytes());
        state.standing.exit_code = -1;
        state.standing.finish();
        drop(state);
        self.changed.send_replace(());
    }

    /// Asks its whole group to stop. It counts as stopped at once.
    pub(crate) fn stop(&self) -> Result<(), NotRunning> {
        let mut state = self.state();
        if state.standing.status != ProcessStatus::Running {
            return Err(NotRunning);
        }
        state.standing.status = ProcessStatus::Stopped;
        self.signal(state, Signal::SIGTERM);
        Ok(())
    }

    /// Kills its whole group. One that was asked to stop and did not can be killed.
    pub(crate) fn kill(&self) -> Result<(), NotRunning> {
        let mut state = self.state();
        let alive = matches!(state.standing.status, ProcessStatus::Running | ProcessStatus::Stopped);
        if !alive || state.standing.is_over() {
            return Err(NotRunning);
        }
        state.standing.status = ProcessStatus::Killed;
        self.signal(state, Signal::SIGKILL);
        Ok(())
    }

    /// Kills its group because the time for which it may keep the sandbox awake is over.
    pub(crate) fn expire(&self) {
        if self.kill().is_ok() {
            self.state().standing.keep_alive = false;
        }
    }

    fn signal(&self, mut state: MutexGuard<'_, State>, signal: Signal) {
        match state.standing.running.map(Pid::from_raw) {
            Some(group) => match killpg(group, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => tracing::warn!(%group, %error, "a process group could not be signalled"),
            },
            None => state.standing.finish(),
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// The first output at or after position `from`, and whether there can be more.
    pub(crate) fn output_since(&self, from: u64, most: usize) -> (Option<Piece>, Ending) {
        let state = self.state();
        let totals = || Source::BOTH.map(|source| state.log.total(source));
        let ending = if state.standing.is_over() { Ending::Over(totals()) } else { Ending::Open };
        (state.log.since(from, most), ending)
    }

    /// Looks at its log.
    pub(crate) fn with_log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.state().log)
    }

    /// The pipes that are open.
    pub(crate) fn pipes(&self) -> Vec<(Source, Pipe)> {
        self.state().output.clone()
    }

    /// Its logs, as far as they are kept.
    pub(crate) fn logs(&self) -> ProcessLogs {
        let state = self.state();
        let [out, err] = Source::BOTH.map(|source| state.log.text(source, KEPT));
        ProcessLogs::new(out, err, state.log.both(KEPT))
    }

    /// What is told of it, with the end of its output.
    pub(crate) fn response(&self) -> ProcessResponse {
        let state = self.state();
        let mut response = self.described(&state.standing);
        response.logs = Some(state.log.both(INLINE));
        response.stdout = state.log.text(Source::Stdout, INLINE);
        response.stderr = state.log.text(Source::Stderr, INLINE);
        response
    }

    /// What is told of it right after its start, whatever has become of it since.
    pub(crate) fn response_at_start(&self, keep: Keep) -> ProcessResponse {
        self.described(&Standing::at_start(keep))
    }

    fn described(&self, standing: &Standing) -> ProcessResponse {
        let mut response = ProcessResponse::default();
        response.pid = self.pid.to_string();
        response.name.clone_from(&self.orders.name);
        response.command.clone_from(&self.orders.command);
        response.status = standing.status;
        response.started_at = clock::http_date(self.started_at);
        response.completed_at = standing
            .completed_at
            .map(|seconds| clock::http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        response.exit_code = standing.exit_code;
        response.working_dir.clone_from(&self.orders.working_dir);
        response.restart_on_failure = self.orders.restart_on_failure;
        response.max_restarts = self.orders.max_restarts;
        response.restart_count = standing.restart_count;
        response.keep_alive = standing.keep_alive;
        response.stdin = self.orders.stdin;
        response
    }
}

/// Whether more output is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It runs.
    Open,
    /// It is over; so many bytes came on each stream.
    Over([u64; 2]),
}

/// Whether a process keeps the sandbox awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It does not.
    Not,
    /// It does, for as long as it runs.
    Awake,
    /// It does, and is killed after this time.
    AwakeFor(Duration),
}

impl Standing {
    fn at_start(keep: Keep) -> Self {
        let expires_at = match keep {
            Keep::AwakeFor(limit) => Some(millis(since_1970().saturating_add(limit))),
            Keep::Not | Keep::Awake => None,
        };
        Self {
            status: ProcessStatus::Running,
            running: None,
            completed_at: None,
            exit_code: 0,
            restart_count: 0,
            keep_alive: keep != Keep::Not,
            expires_at,
        }
    }

    /// How long until it has kept the sandbox awake for long enough.
    pub(crate) fn expires_in(&self) -> Option<Duration> {
        let at = Duration::from_millis(self.expires_at?);
        Some(at.saturating_sub(since_1970()))
    }

    /// Whether nothing will change any more.
    pub(crate) fn is_over(&self) -> bool {
        self.completed_at.is_some()
    }

    fn finish(&mut self) {
        if self.status == ProcessStatus::Running {
            let completed = self.exit_code == 0;
            self.status = if completed { ProcessStatus::Completed } else { ProcessStatus::Failed };
        }
        self.completed_at = Some(since_1970().as_secs());
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl State {
    fn take_in(
        &mut self,
        source: Source,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut buffer = [0; READ];
        let read = read(&mut buffer)?;
        self.log.append(source, &buffer[..read]);
        Ok(read)
    }
}
