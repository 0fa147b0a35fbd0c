//! The part of the store that the engine writes in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::{Change, Purpose};
use super::files;
use super::lock::Lock;
use super::writer::{Place, Unwritten, Writer};
use crate::engine::Memory;
use crate::error::{Error, ErrorKind};

/// The word for the engine's notes in the file. Never changed.
pub(super) const KIND: &str = "engine";

/// What an engine remembers, in a host's store or in a store of its own.
///
/// ```
/// use reveille_host::Notebook;
/// use reveille_host::engine::Memory as _;
///
/// let directory = tempfile::tempdir()?;
/// let notebook = Notebook::open(directory.path())?;
/// notebook.keep("a", b"kept".to_vec())?;
/// drop(notebook);
/// let notebook = Notebook::open(directory.path())?;
/// assert_eq!(notebook.notes(), [("a".to_owned(), b"kept".to_vec())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Notebook {
    notes: Mutex<BTreeMap<String, Vec<u8>>>,
    writer: Arc<Writer>,
}

impl Notebook {
    /// Opens a notebook for an engine that runs without a host. One at a time has the directory.
    ///
    /// # Errors
    /// When the directory cannot be used, another has it, or what is kept in it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        files::make_private_directory(directory)
            .map_err(|source| super::directory::unusable(directory, source))?;
        let lock = Lock::take(directory)?;
        let place = Place { store: directory.join("notes.redb"), reserve: directory.join("reserve") };
        let (writer, mut found) = Writer::start(place, lock)?;
        Ok(Self::of(found.remove(KIND).unwrap_or_default(), Arc::new(writer)))
    }

    pub(super) fn of(notes: BTreeMap<String, Vec<u8>>, writer: Arc<Writer>) -> Self {
        Self { notes: Mutex::new(notes), writer }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, key: &str, value: Option<Vec<u8>>, purpose: Purpose) -> Receiver<Result<(), Unwritten>> {
        let (tell, told) = channel();
        let change = Change { kind: KIND, key: key.to_owned(), value, purpose };
        self.writer.submit(vec![change], move |written| {
            // Whoever began it waits for it, unless its thread is gone.
            let _ = tell.send(written);
        });
        told
    }
}

impl Memory for Notebook {
    fn notes(&self) -> Vec<(String, Vec<u8>)> {
        self.locked().iter().map(|(key, note)| (key.clone(), note.clone())).collect()
    }

    fn keep(&self, key: &str, note: Vec<u8>) -> io::Result<()> {
        end(&self.begin(key, Some(note.clone()), Purpose::Keeps))?;
        self.locked().insert(key.to_owned(), note);
        Ok(())
    }

    fn forget(&self, keys: &[String]) -> io::Result<()> {
        let there: Vec<&String> = {
            let notes = self.locked();
            keys.iter().filter(|key| notes.contains_key(*key)).collect()
        };
        // All are handed in before the first is waited for: they cost one wait for the disk.
        let begun: Vec<_> =
            there.into_iter().map(|key| (key, self.begin(key, None, Purpose::Frees))).collect();
        let mut result = Ok(());
        for (key, told) in begun {
            match end(&told) {
                Ok(()) => drop(self.locked().remove(key)),
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

fn end(told: &Receiver<Result<(), Unwritten>>) -> io::Result<()> {
    let written = told.recv().unwrap_or(Err(Unwritten::Closed));
    written.map_err(|unwritten| match unwritten {
        Unwritten::Full => io::Error::new(io::ErrorKind::StorageFull, "the disk is full"),
        Unwritten::Closed => io::Error::other("the host is stopping"),
        Unwritten::Failed(reason) => io::Error::other(reason),
    })
}

/// Puts what an earlier host had kept elsewhere into the store, and waits until it is on disk.
pub(super) fn put_all(writer: &Writer, changes: Vec<Change>) -> Result<(), Error> {
    let begun: Vec<_> = changes
        .into_iter()
        .map(|change| {
            let (tell, told) = channel();
            writer.submit(vec![change], move |written| drop(tell.send(written)));
            told
        })
        .collect();
    for told in begun {
        end(&told).map_err(|source| {
            let message = format!("the records of an earlier host cannot be taken over: {source}");
            Error::new(ErrorKind::Data, message).with_source(source)
        })?;
    }
    Ok(())
}
