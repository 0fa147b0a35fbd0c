//! All sessions, by their names.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::backlog::Backlog;
use super::pty::{Master, Shell, Size, Started};
use super::session::{Before, Session};
use super::typists::Typists;
use crate::process::{End, Processes, named_shell};

/// How many sessions there may be. Those that are over make room.
const MOST: usize = 256;
/// How many that are over are kept for whoever was away when they ended. The oldest goes first.
const MOST_OVER: usize = 16;

/// The sessions of this sandbox.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    named: HashMap<String, Kept>,
    begun: u64,
}

#[derive(Debug)]
struct Kept {
    session: Arc<Session>,
    /// How many were begun before it.
    after: u64,
}

/// What is known of a session, but for its terminal and what it wrote, which go beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedSession {
    /// Its name.
    id: String,
    /// What no other session is called. One that an earlier agent saved has none.
    #[serde(default)]
    own: String,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    ended: Option<End>,
    /// Who typed at it, and how many bytes each.
    #[serde(default)]
    typists: Vec<(String, u64)>,
    /// How many bytes of what it wrote go beside it.
    written: u64,
    /// How many bytes before those were not kept.
    #[serde(default)]
    cut: u64,
}

/// What a connection wants to see.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) size: Size,
    pub(super) shell: Option<String>,
    /// What the shell runs, and ends with; without it it reads what is typed.
    pub(super) command: Option<String>,
    pub(super) directory: String,
}

impl Sessions {
    /// The session of this name, begun anew when there is none or it is over.
    ///
    /// # Errors
    /// When there are too many, or the shell cannot be started.
    pub(super) async fn open(&self, wanted: Wanted, processes: &Processes) -> io::Result<Arc<Session>> {
        if let Some(session) = self.running(&wanted.name) {
            session.resize(wanted.size)?;
            return Ok(session);
        }
        // Nothing is started while an upgrade hands over what there is.
        let _births = processes.births().await;
        if let Some(session) = self.running(&wanted.name) {
            return Ok(session);
        }
        self.table().make_room()?;
        let arguments = wanted.command.map(|command| ["-c".into(), OsString::from(command)]);
        let shell = Shell {
            program: wanted.shell.map_or_else(usual_shell, OsString::from),
            arguments: arguments.map(Vec::from).unwrap_or_default(),
            directory: processes.folder(&wanted.directory),
            domain: processes.domain().clone(),
            user: processes.user().cloned(),
        };
        let started = tokio::task::spawn_blocking(move || Master::start(&shell, wanted.size)).await;
        let started = started.map_err(io::Error::other)??;
        let session = Session::begin(new_id(), started, Before::default(), processes)?;
        self.table().insert(wanted.name, Arc::clone(&session));
        Ok(session)
    }

    /// The session of this name that is called so, whether or not it is over.
    pub(super) fn known(&self, name: &str, id: &str) -> Option<Arc<Session>> {
        let table = self.table();
        let session = &table.named.get(name)?.session;
        (session.id() == id).then(|| Arc::clone(session))
    }

    fn running(&self, name: &str) -> Option<Arc<Session>> {
        let table = self.table();
        let session = &table.named.get(name)?.session;
        (!session.is_over()).then(|| Arc::clone(session))
    }

    /// Saves all: what they wrote into `output`, their terminals in the order of the list.
    pub(crate) fn save(&self, output: &mut File) -> io::Result<(Vec<SavedSession>, Vec<OwnedFd>)> {
        let (mut saved, mut terminals) = (Vec::new(), Vec::new());
        let table = self.table();
        let mut all: Vec<_> = table.named.iter().collect();
        all.sort_unstable_by_key(|(_, kept)| kept.after);
        for (name, Kept { session, .. }) in all {
            let rest = session.since(0);
            output.write_all(&rest.bytes)?;
            terminals.push(session.duplicate()?);
            saved.push(SavedSession {
                id: name.clone(),
                own: session.id().to_owned(),
                pid: session.pid(),
                ended: session.ended(),
                typists: session.typists().save(),
                written: rest.bytes.len() as u64,
                cut: rest.missed,
            });
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
        for (saved, master) in saved.into_iter().zip(terminals) {
            let mut written = Vec::new();
            Read::by_ref(output).take(saved.written).read_to_end(&mut written)?;
            let before = Before {
                backlog: Backlog::restored(written, saved.cut),
                typists: Typists::restored(saved.typists),
                ended: saved.ended,
            };
            let id = if saved.own.is_empty() { new_id() } else { saved.own };
            let session = Session::begin(id, Started { master, pid: saved.pid }, before, processes)?;
            self.table().insert(saved.id, session);
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, name: String, session: Arc<Session>) {
        self.begun += 1;
        self.named.insert(name, Kept { session, after: self.begun });
    }

    fn make_room(&mut self) -> io::Result<()> {
        let mut over: Vec<u64> =
            self.named.values().filter(|kept| kept.session.is_over()).map(|kept| kept.after).collect();
        over.sort_unstable();
        let surplus = over.len().saturating_sub(MOST_OVER).max((self.named.len() + 1).saturating_sub(MOST));
        over.truncate(surplus);
        self.named.retain(|_, kept| !over.contains(&kept.after));
        if self.named.len() >= MOST {
            return Err(io::Error::other(format!("there are {MOST} terminals already")));
        }
        Ok(())
    }
}

fn new_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// The shell that the environment names, else one that is there.
fn usual_shell() -> OsString {
    let there = || ["/bin/bash", "/bin/sh"].into_iter().find(|shell| std::path::Path::new(shell).exists());
    named_shell().or_else(|| there().map(OsString::from)).unwrap_or_else(|| "/bin/sh".into())
}
