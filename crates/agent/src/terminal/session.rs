//! One shell at its terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::time::Instant;

use super::backlog::{Backlog, Rest};
use super::pty::{Master, Read, Size, Started};
use super::typists::{Typist, Typists};
use super::viewers::{Viewer, Viewers};
use crate::process::{End, Processes};

/// How much is read at once.
const AT_ONCE: usize = 16 << 10;
/// How long the end of a shell may come after that of its terminal, and the other way round. One that has closed its
/// terminal and goes on is not waited for, nor is what a shell has left behind there.
const TO_END: Duration = Duration::from_secs(2);
/// How long nothing comes from a terminal whose shell has ended before that was all.
const QUIET: Duration = Duration::from_millis(100);

/// A shell at its terminal, with the end of what it wrote.
#[derive(Debug)]
pub(super) struct Session {
    /// What no other session is called, of the same name or another.
    id: String,
    pid: i32,
    master: Master,
    backlog: Mutex<Backlog>,
    state: watch::Sender<State>,
    ended: watch::Receiver<Option<End>>,
    /// Held while something is typed, so that what two connections type does not mix.
    typing: tokio::sync::Mutex<()>,
    typists: Typists,
    viewers: Viewers,
    processes: Processes,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// How many bytes it has written.
    pub(super) written: u64,
    pub(super) life: Life,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// The shell is not at the terminal any more; how it ended, where that is known.
    Over(Option<End>),
}

/// What was of a session before, and is to be again.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) backlog: Backlog,
    pub(super) typists: Typists,
    pub(super) ended: Option<End>,
}

impl Session {
    /// Takes up a shell that runs, or has, and reads what it writes from now on. No end is noticed meanwhile.
    pub(super) fn begin(
        id: String,
        started: Started,
        before: Before,
        processes: &Processes,
    ) -> io::Result<Arc<Self>> {
        let ended = match before.ended {
            Some(end) => watch::channel(Some(end)).1,
            None => processes.end_of(started.pid),
        };
        let state = State { written: before.backlog.total(), life: Life::Running };
        let session = Arc::new(Self {
            id,
            pid: started.pid,
            master: Master::new(started.master)?,
            backlog: Mutex::new(before.backlog),
            state: watch::Sender::new(state),
            ended,
            typing: tokio::sync::Mutex::default(),
            typists: before.typists,
            viewers: Viewers::default(),
            processes: processes.clone(),
        });
        tokio::spawn(Arc::clone(&session).read_all());
        Ok(session)
    }

    async fn read_all(self: Arc<Self>) {
        let mut buffer = vec![0; AT_ONCE];
        let mut ended = self.ended.clone();
        let mut shell_ended = async || ended.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        let end = loop {
            self.follow().await;
            tokio::select! {
                biased;
                went_on = self.read(&mut buffer) => if !went_on {
                    break tokio::time::timeout(TO_END, shell_ended()).await.ok().flatten();
                },
                Some(end) = shell_ended() => {
                    self.read_last(&mut buffer).await;
                    break Some(end);
                }
            }
        };
        self.state.send_modify(|state| state.life = Life::Over(end));
    }

    /// Reads what a shell wrote before its end. What it left behind at the terminal may go on writing for ever.
    async fn read_last(&self, buffer: &mut [u8]) {
        let enough = Instant::now() + TO_END;
        while Instant::now() < enough {
            self.follow().await;
            if !tokio::time::timeout(QUIET, self.read(buffer)).await.unwrap_or(false) {
                return;
            }
        }
    }

    /// Waits for those who have to see what was written.
    async fn follow(&self) {
        let written = self.state.borrow().written;
        self.viewers.follow(written).await;
    }

    /// Reads once, and tells whether there can be more.
    async fn read(&self, buffer: &mut [u8]) -> bool {
        match self.master.read(buffer, self.processes.still(), |bytes| self.append(bytes)).await {
            Ok(Read::Some) => true,
            Ok(Read::End) => false,
            Err(error) => {
                tracing::warn!(%error, "a terminal cannot be read");
                false
            }
        }
    }

    fn append(&self, bytes: &[u8]) {
        let mut backlog = self.backlog();
        backlog.append(bytes);
        let written = backlog.total();
        drop(backlog);
        self.state.send_modify(|state| state.written = written);
    }

    /// What no other session is called.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The number of its shell.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// What it wrote from a position on.
    pub(super) fn since(&self, from: u64) -> Rest {
        self.backlog().since(from)
    }

    /// Tells how far it has come, now and whenever that changes.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.borrow().life != Life::Running
    }

    /// How the shell ended, where it has.
    pub(super) fn ended(&self) -> Option<End> {
        *self.ended.borrow()
    }

    /// Those who type at it.
    pub(super) fn typists(&self) -> &Typists {
        &self.typists
    }

    /// One more who looks, and has to see all of it from a position on.
    pub(super) fn viewer(&self, from: u64) -> Arc<Viewer> {
        self.viewers.add(from)
    }

    /// Types `bytes`. A shell that does not read makes this wait.
    pub(super) async fn input(&self, bytes: &[u8]) -> io::Result<()> {
        let _alone = self.typing.lock().await;
        self.master.write_all(bytes, self.processes.still(), |_| {}).await
    }

    /// Types what `typist` has typed after his first `at` bytes, and has not been typed yet.
    ///
    /// # Errors
    /// When something before it is missing, or the terminal takes nothing any more.
    pub(super) async fn input_at(&self, typist: &Typist, at: u64, bytes: &[u8]) -> io::Result<()> {
        let _alone = self.typing.lock().await;
        let Some(known) = typist.taken().checked_sub(at) else {
            return Err(io::Error::other("something that was typed before this has not come"));
        };
        let new = usize::try_from(known).ok().and_then(|known| bytes.get(known..)).unwrap_or_default();
        self.master.write_all(new, self.processes.still(), |written| typist.add(written)).await
    }

    pub(super) fn resize(&self, size: Size) -> io::Result<()> {
        self.master.resize(size)
    }

    /// Tells the shell, and what it began in its own group, that nobody sits at the terminal any more.
    pub(super) async fn hang_up(&self) {
        // Until it is noticed that it has ended its number is nobody else's.
        let _births = self.processes.births().await;
        // One that an earlier agent began has no number.
        if self.ended().is_none() && self.pid > 0 {
            let _gone = kill(Pid::from_raw(-self.pid), Signal::SIGHUP);
        }
    }

    /// Its terminal once more, for the next program of an upgrade.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.master.duplicate()
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
