//! The file of documents, and the only place that knows which crate keeps it.
#![expect(clippy::result_large_err, reason = "the error is the crate's own, and rare")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use redb::{Database as Redb, DatabaseError, ReadableTable as _, StorageError, TableDefinition, TableError};

use super::files;
use super::lock::{PATIENCE, PAUSE};
use crate::error::{Error, ErrorKind};

/// Every document: by its kind and its key.
const DOCUMENTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("documents");
/// What the store says of itself.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const VERSION_KEY: &str = "version";

/// The form of the documents. Raised when an older host could no longer read them.
const VERSION: u64 = 1;

/// Memory for pages of the file, in bytes. Everything is read once; what is read again is what was written last.
const CACHE: usize = 4 * 1024 * 1024;

/// Documents by kind, and below that by key.
pub(super) type Documents = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// What is to be true of one document.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) kind: &'static str,
    pub(super) key: String,
    /// `None`: there is to be none.
    pub(super) value: Option<Vec<u8>>,
    pub(super) purpose: Purpose,
}

/// What a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something is to be kept.
    Keeps,
    /// It belongs to a delete, which is how space is freed.
    Frees,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    /// None after a failure: the crate wants to open the file anew then.
    open: Option<Redb>,
}

impl Database {
    /// Opens the file, makes it where there is none, and reads all that is in it.
    pub(super) fn open(path: PathBuf) -> Result<(Self, Documents), Error> {
        if !path.exists() {
            Self::make(&path)?;
        }
        let open = open_patiently(&path).map_err(|error| refused(&path, error))?;
        let database = Self { open: Some(open), path };
        let found = match database.version() {
            Ok(None) => database.begin().map(|()| Documents::new()),
            Ok(Some(VERSION)) => database.read_all(),
            Ok(Some(newer)) => return Err(of_another_version(&database.path, newer)),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => Ok((database, found)),
            Err(error) => Err(unreadable(&database.path, error)),
        }
    }

    /// Makes an empty store. It gets its name when it is whole: one that is cut off while it is made is none.
    fn make(path: &Path) -> Result<(), Error> {
        let new = path.with_extension("new");
        let no = |source: io::Error| super::directory::unusable(path.parent().unwrap_or(path), source);
        files::remove(&new).map_err(no)?;
        let database = Self { open: Some(open(&new).map_err(|error| refused(&new, error))?), path: new };
        database.begin().map_err(|error| unreadable(&database.path, error))?;
        let Self { open, path: new } = database;
        drop(open);
        std::fs::rename(&new, path).and_then(|()| files::sync_parent(path)).map_err(no)
    }

    /// Makes all changes or none. When this ends well they are on disk.
    pub(super) fn commit<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a Change> + Clone,
    ) -> Result<(), redb::Error> {
        let committed = self.try_commit(changes.clone());
        let Err(error) = committed else { return Ok(()) };
        self.open = None;
        // A failure of the last step does not say whether the step was taken; the file does.
        match self.holds(changes) {
            Ok(true) => Ok(()),
            _ => Err(error),
        }
    }

    fn try_commit<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Result<(), redb::Error> {
        let transaction = self.redb()?.begin_write()?;
        {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            for Change { kind, key, value, .. } in changes {
                match value {
                    Some(value) => documents.insert((*kind, &**key), &**value)?,
                    None => documents.remove((*kind, &**key))?,
                };
            }
        }
        Ok(transaction.commit()?)
    }

    fn holds<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Result<bool, redb::Error> {
        let transaction = self.redb()?.begin_read()?;
        let documents = transaction.open_table(DOCUMENTS)?;
        for Change { kind, key, value, .. } in changes {
            let found = documents.get((*kind, &**key))?;
            if found.as_ref().map(redb::AccessGuard::value) != value.as_deref() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn redb(&mut self) -> Result<&Redb, redb::Error> {
        match &mut self.open {
            Some(open) => Ok(open),
            closed => Ok(closed.insert(open(&self.path)?)),
        }
    }

    fn version(&self) -> Result<Option<u64>, redb::Error> {
        let Some(open) = &self.open else { return Ok(None) };
        match open.begin_read()?.open_table(ABOUT) {
            Ok(about) => Ok(about.get(VERSION_KEY)?.map(|version| version.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says what it is, before anything is put into it.
    fn begin(&self) -> Result<(), redb::Error> {
        let Some(open) = &self.open else { return Ok(()) };
        let transaction = open.begin_write()?;
        transaction.open_table(ABOUT)?.insert(VERSION_KEY, VERSION)?;
        transaction.open_table(DOCUMENTS)?;
        Ok(transaction.commit()?)
    }

    fn read_all(&self) -> Result<Documents, redb::Error> {
        let mut found = Documents::new();
        let Some(open) = &self.open else { return Ok(found) };
        for entry in open.begin_read()?.open_table(DOCUMENTS)?.iter()? {
            let (place, value) = entry?;
            let (kind, key) = place.value();
            found.entry(kind.to_owned()).or_default().insert(key.to_owned(), value.value().to_vec());
        }
        Ok(found)
    }
}

/// Opens the file although something of a killed host may still have a copy of its lock.
fn open_patiently(path: &Path) -> Result<Redb, DatabaseError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match open(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < give_up => thread::sleep(PAUSE),
            opened => return opened,
        }
    }
}

fn open(path: &Path) -> Result<Redb, DatabaseError> {
    let file = files::open_private(path).map_err(StorageError::Io)?;
    // The newer form of the two, which later versions of the crate read too.
    Redb::builder().create_with_file_format_v3(true).set_cache_size(CACHE).create_file(file)
}

/// Whether a failure is that of a full disk.
pub(super) fn is_full(error: &redb::Error) -> bool {
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    matches!(error, redb::Error::Io(error) if kinds.contains(&error.kind()))
}

fn refused(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::UpgradeRequired(version) => of_another_version(path, version.into()),
        DatabaseError::DatabaseAlreadyOpen => {
            let message = format!("another program has {} open: stop it first", path.display());
            Error::new(ErrorKind::InUse, message).with_source(error)
        }
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            super::directory::unusable(path.parent().unwrap_or(path), source)
        }
        error => unreadable(path, error.into()),
    }
}

fn of_another_version(path: &Path, version: u64) -> Error {
    let message = format!(
        "{} was written by another version of the host (form {version}; this one reads form {VERSION}): use that \
         version, or choose another directory with --data",
        path.display()
    );
    Error::new(ErrorKind::Data, message)
}

/// The file is there, and is not what it should be. It is left as it is.
pub(super) fn unreadable(path: &Path, error: redb::Error) -> Error {
    let message = format!(
        "{} cannot be read ({error}): it is left as it is; bring back a copy of it, or choose another directory \
         with --data",
        path.display()
    );
    Error::new(ErrorKind::Data, message).with_source(error)
}
