//! All sessions, by their names.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::pty::{Master, Shell, Size};
use super::session::Session;
use crate::process::{Processes, named_shell};

/// How many sessions there may be. Those that are over make room.
const MOST: usize = 256;

/// The sessions of this sandbox.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

/// What is known of a session, but for its terminal and what it wrote, which go beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedSession {
    id: String,
    /// How many bytes of what it wrote go beside it.
    written: u64,
}

/// What a connection wants to see.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) size: Size,
    pub(super) shell: Option<String>,
    pub(super) directory: String,
}

impl Sessions {
    /// The session of this name, begun anew when there is none or it is over.
    ///
    /// # Errors
    /// When there are too many, or the shell cannot be started.
    pub(super) async fn open(&self, wanted: Wanted, processes: &Processes) -> io::Result<Arc<Session>> {
        if let Some(session) = self.running(&wanted.id) {
            session.resize(wanted.size)?;
            return Ok(session);
        }
        // Nothing is started while an upgrade hands over what there is.
        let _births = processes.births().await;
        if let Some(session) = self.running(&wanted.id) {
            return Ok(session);
        }
        self.make_room()?;
        let shell = Shell {
            program: wanted.shell.map_or_else(usual_shell, OsString::from),
            arguments: Vec::new(),
            directory: wanted.directory,
        };
        let started = tokio::task::spawn_blocking(move || Master::start(&shell, wanted.size)).await;
        let master = started.map_err(io::Error::other)??;
        let session = Session::begin(master, Vec::new(), processes)?;
        self.table().insert(wanted.id, Arc::clone(&session));
        Ok(session)
    }

    fn running(&self, id: &str) -> Option<Arc<Session>> {
        self.table().get(id).filter(|session| !session.is_over()).cloned()
    }

    fn make_room(&self) -> io::Result<()> {
        let mut table = self.table();
        if table.len() >= MOST {
            table.retain(|_, session| !session.is_over());
        }
        if table.len() >= MOST {
            return Err(io::Error::other(format!("there are {MOST} terminals already")));
        }
        Ok(())
    }

    /// Saves those that run: what they wrote into `output`, their terminals in the order of the list.
    pub(crate) fn save(&self, output: &mut File) -> io::Result<(Vec<SavedSession>, Vec<OwnedFd>)> {
        let (mut saved, mut terminals) = (Vec::new(), Vec::new());
        for (id, session) in self.table().iter().filter(|(_, session)| !session.is_over()) {
            let written = session.since(0).bytes;
            output.write_all(&written)?;
            terminals.push(session.duplicate()?);
            saved.push(SavedSession { id: id.clone(), written: written.len() as u64 });
        }
        Ok((saved, terminals))
    }

    /// Takes up what [`save`](Self::save) saved.
    pub(crate) fn restore(
        &self,
        saved: Vec<SavedSession>,
        output: &mut File,
        terminals: Vec<OwnedFd>,
        processes: &Processes,
    ) -> io::Result<()> {
        for (saved, terminal) in saved.into_iter().zip(terminals) {
            let mut written = Vec::new();
            Read::by_ref(output).take(saved.written).read_to_end(&mut written)?;
            let session = Session::begin(terminal, written, processes)?;
            self.table().insert(saved.id, session);
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shell that the environment names, else one that is there.
fn usual_shell() -> OsString {
    let there = || ["/bin/bash", "/bin/sh"].into_iter().find(|shell| std::path::Path::new(shell).exists());
    named_shell().or_else(|| there().map(OsString::from)).unwrap_or_else(|| "/bin/sh".into())
}
