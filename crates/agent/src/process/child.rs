//! One process, from its start to long after its end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reveille_wire::{ProcessLogs, ProcessResponse, Truncated};
use tokio::net::unix::pipe;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;

use super::input::Input;
use super::log::{Log, Piece, Position, Source, Weight};
use super::orders::{Keep, Orders};
use super::readers::Readers;
use super::standing::{Asked, End, Next, Standing};
use crate::clock;

/// How much of each stream stands in the answer about a process, in bytes.
const INLINE: usize = 64 << 10;
/// How much of each stream stands in the answer about its logs, in bytes.
const SHOWN: usize = 4 << 20;
/// How much is read at once; what a pipe holds.
const READ: usize = 64 << 10;
/// How often a pipe is read when its process has ended: as much as the largest pipe holds. A child that was left
/// behind may go on writing without an end.
const LAST_READS: usize = 16;

/// A process that was started here.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number, and what it is known by. A restart does not change it.
    pub(crate) pid: Pid,
    pub(crate) orders: Orders,
    pub(crate) input: Input,
    pub(crate) readers: Arc<Readers>,
    started_at: SystemTime,
    state: Mutex<State>,
    log: Mutex<Log>,
    /// Whether a look at the log may have to wait for a disk.
    log_is_slow: AtomicBool,
    changed: watch::Sender<()>,
}

/// A pipe that a process writes to.
pub(crate) type Pipe = Arc<pipe::Receiver>;

#[derive(Debug)]
struct State {
    standing: Standing,
    output: Vec<(Source, Pipe)>,
}

/// What one read of a pipe gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Output.
    Some,
    /// There is nothing now.
    Nothing,
    /// Somebody has yet to read what it would overwrite.
    Held,
    /// Nobody writes to it any more.
    End,
}

/// Whether more output is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It runs.
    Open,
    /// It is over; so many bytes came on each stream.
    Over(Position),
}

/// Why a process cannot be signalled: it runs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRunning;

impl Process {
    /// A process that has just been started.
    pub(crate) fn new(pid: Pid, orders: Orders, keep: Keep, log: Log) -> Self {
        Self::restored(pid, orders, SystemTime::now(), Standing::at_start(Some(pid.as_raw()), keep), log)
    }

    /// A process that another program started.
    pub(crate) fn restored(
        pid: Pid,
        orders: Orders,
        started_at: SystemTime,
        standing: Standing,
        log: Log,
    ) -> Self {
        Self {
            pid,
            orders,
            input: Input::default(),
            readers: Arc::default(),
            started_at,
            state: Mutex::new(State { standing, output: Vec::new() }),
            log_is_slow: AtomicBool::new(log.is_in_file()),
            log: Mutex::new(log),
            changed: watch::Sender::new(()),
        }
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

    /// The pipes that are open.
    pub(crate) fn pipes(&self) -> Vec<(Source, Pipe)> {
        self.state().output.clone()
    }

    /// Takes in what `pipe` is ready to give, once, as far as nobody has yet to read what that overwrites.
    pub(crate) fn read(&self, source: Source, pipe: &Pipe) -> Taken {
        let taken = self.with_log(|log| {
            let slowest = self.readers.slowest(source);
            let room = slowest.map_or(u64::MAX, |position| log.room_after(source, position));
            if room == 0 {
                return Ok(Taken::Held);
            }
            let mut buffer = [0; READ];
            let most = room.min(READ as u64) as usize;
            let read = pipe.try_read(&mut buffer[..most])?;
            log.append(source, &buffer[..read]);
            Ok(if read == 0 { Taken::End } else { Taken::Some })
        });
        let taken = taken.unwrap_or_else(|error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Taken::Nothing,
            _ => Taken::End,
        });
        if taken == Taken::Some {
            self.changed.send_replace(());
        }
        taken
    }

    /// Notes how the process that runs for it has ended, and takes in what it wrote last.
    pub(crate) fn ended(&self, end: End) -> Next {
        self.input.close();
        let pipes = self.pipes();
        self.with_log(|log| {
            for (source, pipe) in &pipes {
                take_last(log, *source, pipe);
            }
        });
        let (next, count) = {
            let mut state = self.state();
            (state.standing.ended(end, &self.orders), state.standing.restart_count + 1)
        };
        if let Next::Restart(_) = next {
            let most = match self.orders.max_restarts {
                ..0 => "unlimited".to_owned(),
                most => most.to_string(),
            };
            let line = format!("Attempting restart {count}/{most}\n");
            self.with_log(|log| log.note(Source::Stdout, &line));
        }
        self.changed.send_replace(());
        next
    }

    /// Whether it waits for being started again.
    pub(crate) fn wants_restart(&self) -> bool {
        self.state().standing.wants_restart()
    }

    /// Notes that `pid` runs for it now.
    pub(crate) fn restarted(&self, pid: Pid) {
        self.state().standing.restarted(pid.as_raw());
        self.changed.send_replace(());
    }

    /// Notes that it could not be started again.
    pub(crate) fn not_restarted(&self, error: &io::Error) {
        self.with_log(|log| log.note(Source::Stderr, &format!("it could not be started again: {error}\n")));
        self.state().standing.not_restarted();
        self.changed.send_replace(());
    }

    /// Asks its whole group to stop. It may be asked more than once.
    pub(crate) fn stop(&self) -> Result<(), NotRunning> {
        self.ask(Asked::Stop, Signal::SIGTERM)
    }

    /// Kills its whole group.
    pub(crate) fn kill(&self) -> Result<(), NotRunning> {
        self.ask(Asked::Kill, Signal::SIGKILL)
    }

    /// Kills its group because the time for which it may keep the sandbox awake is over.
    pub(crate) fn expire(&self) {
        if self.kill().is_ok() {
            self.state().standing.keep_alive = false;
        }
    }

    fn ask(&self, asked: Asked, signal: Signal) -> Result<(), NotRunning> {
        let mut state = self.state();
        if state.standing.is_over() {
            return Err(NotRunning);
        }
        // While the lock is held nobody takes note of its end, so the number is still its own.
        if let Some(group) = state.standing.running.map(Pid::from_raw) {
            match killpg(group, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => tracing::warn!(%group, %error, "a process group could not be signalled"),
            }
        }
        state.standing.ask(asked);
        drop(state);
        self.changed.send_replace(());
        Ok(())
    }

    /// What came first at or after `from`, and whether there can be more.
    pub(crate) fn output_since(&self, from: Position, most: usize) -> (Option<Piece>, Ending) {
        // In this order: an end that is seen here has let its output come in before.
        let over = self.standing().is_over();
        self.read_back(|log| {
            let ending = if over { Ending::Over(log.totals()) } else { Ending::Open };
            Ok((log.since(from, most)?, ending))
        })
        .unwrap_or((None, Ending::Open))
    }

    /// Looks at its log, which is let go of where it cannot be read.
    fn read_back<T>(&self, look: impl FnOnce(&Log) -> io::Result<T>) -> Option<T> {
        self.with_log(|log| match look(log) {
            Ok(seen) => Some(seen),
            Err(error) => {
                tracing::warn!(%error, pid = %self.pid, "output cannot be read back");
                log.forget();
                // Whoever waits for it looks again, and is told what is missing.
                self.changed.send_replace(());
                None
            }
        })
    }

    /// Looks at its log.
    pub(crate) fn with_log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        let look = || {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = look(&mut log);
            self.log_is_slow.store(log.is_in_file(), Ordering::Relaxed);
            seen
        };
        if self.log_is_slow.load(Ordering::Relaxed) { unhurried(look) } else { look() }
    }

    /// What it costs to keep its output.
    pub(crate) fn weight(&self) -> Weight {
        self.with_log(|log| log.weight())
    }

    /// Lets go of its output.
    pub(crate) fn forget_output(&self) {
        self.with_log(Log::forget);
        self.changed.send_replace(());
    }

    /// Whether it keeps the sandbox awake.
    pub(crate) fn keeps_awake(&self) -> bool {
        let state = self.state();
        state.standing.keep_alive && !state.standing.is_over()
    }

    /// Its logs, as far as they are shown.
    pub(crate) fn logs(&self) -> ProcessLogs {
        let shown = self.read_back(|log| {
            let [out, err] = Source::BOTH.map(|source| log.text(source, SHOWN));
            let mut logs = ProcessLogs::new(out?, err?, log.both(SHOWN)?);
            let [stdout, stderr] = Source::BOTH.map(|source| log.tail(source, SHOWN));
            logs.truncated = (stdout + stderr > 0).then_some(Truncated { stdout, stderr });
            Ok(logs)
        });
        shown.unwrap_or_default()
    }

    /// What is told of it, with the end of its output.
    pub(crate) fn response(&self) -> ProcessResponse {
        let mut response = self.described(&self.standing());
        let shown = self.read_back(|log| {
            let [out, err] = Source::BOTH.map(|source| log.text(source, INLINE));
            Ok((out?, err?, log.both(INLINE)?))
        });
        let (stdout, stderr, logs) = shown.unwrap_or_default();
        (response.stdout, response.stderr, response.logs) = (stdout, stderr, Some(logs));
        response
    }

    /// What is told of it, without its output.
    pub(crate) fn response_without_output(&self) -> ProcessResponse {
        self.described(&self.standing())
    }

    /// What is told of it right after its start, whatever has become of it since.
    pub(crate) fn response_at_start(&self, keep: Keep) -> ProcessResponse {
        self.described(&Standing::at_start(None, keep))
    }

    fn described(&self, standing: &Standing) -> ProcessResponse {
        let mut response = ProcessResponse::default();
        response.pid = self.pid.to_string();
        response.name.clone_from(&self.orders.name);
        response.command.clone_from(&self.orders.command);
        response.status = standing.status();
        response.started_at = clock::http_date(self.started_at);
        let completed_at = standing
            .completed_at
            .map(|seconds| clock::http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        // Clients of the platform take both for texts.
        (response.completed_at, response.logs) =
            (Some(completed_at.unwrap_or_default()), Some(String::new()));
        response.exit_code = standing.exit_code;
        response.signal = standing.signal;
        response.working_dir.clone_from(&self.orders.working_dir);
        response.restart_on_failure = self.orders.restart_on_failure;
        response.max_restarts = self.orders.max_restarts;
        response.restart_count = standing.restart_count;
        response.keep_alive = standing.keep_alive;
        response.stdin = self.orders.stdin;
        response
    }
}

/// Takes in what a process left in a pipe.
fn take_last(log: &mut Log, source: Source, pipe: &Pipe) {
    let mut buffer = [0; READ];
    for _ in 0..LAST_READS {
        // Past the runtime, which has perhaps not heard yet that there is something to read.
        match rustix::io::read(&**pipe, &mut buffer) {
            Ok(read @ 1..) => log.append(source, &buffer[..read]),
            _ => return,
        }
    }
}

/// Does what may wait for a disk, and lets others have the thread's other work meanwhile.
fn unhurried<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
