//! One shell at its terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::backlog::{Backlog, Rest};
use super::pty::{Master, Read, Size};
use crate::process::Processes;

/// How much is read at once.
const AT_ONCE: usize = 16 << 10;

/// A shell at its terminal, with the end of what it wrote.
#[derive(Debug)]
pub(super) struct Session {
    master: Master,
    backlog: Mutex<Backlog>,
    state: watch::Sender<State>,
    /// Held while something is typed, so that what two connections type does not mix.
    typing: tokio::sync::Mutex<()>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// How many bytes it has written.
    pub(super) written: u64,
    pub(super) end: End,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Running,
    /// Nothing is at the terminal any more.
    Over,
}

impl Session {
    /// Takes up a shell that runs, and reads what it writes from now on.
    pub(super) fn begin(master: OwnedFd, before: Vec<u8>, processes: &Processes) -> io::Result<Arc<Self>> {
        let backlog = Backlog::restored(before);
        let state = State { written: backlog.total(), end: End::Running };
        let session = Arc::new(Self {
            master: Master::new(master)?,
            backlog: Mutex::new(backlog),
            state: watch::Sender::new(state),
            typing: tokio::sync::Mutex::default(),
        });
        tokio::spawn(Arc::clone(&session).read_all(processes.clone()));
        Ok(session)
    }

    async fn read_all(self: Arc<Self>, processes: Processes) {
        let mut buffer = vec![0; AT_ONCE];
        loop {
            match self.master.read(&mut buffer, processes.still(), |bytes| self.append(bytes)).await {
                Ok(Read::Some) => {}
                Ok(Read::End) => break,
                Err(error) => {
                    tracing::warn!(%error, "a terminal cannot be read");
                    break;
                }
            }
        }
        self.state.send_modify(|state| state.end = End::Over);
    }

    fn append(&self, bytes: &[u8]) {
        let mut backlog = self.backlog();
        backlog.append(bytes);
        let written = backlog.total();
        drop(backlog);
        self.state.send_modify(|state| state.written = written);
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
        self.state.borrow().end == End::Over
    }

    /// Types `text`. A shell that does not read makes this wait.
    pub(super) async fn input(&self, text: &str) -> io::Result<()> {
        let _alone = self.typing.lock().await;
        self.master.write_all(text.as_bytes()).await
    }

    pub(super) fn resize(&self, size: Size) -> io::Result<()> {
        self.master.resize(size)
    }

    /// Its terminal once more, for the next program of an upgrade.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.master.duplicate()
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
