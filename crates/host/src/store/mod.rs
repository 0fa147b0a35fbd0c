//! What the host remembers: one embedded, crash-safe store in its data directory.
//!
//! The data directory holds `store.redb` with every document, `sandboxes/NAME/` with the files of each sandbox,
//! `drives/`, the engine's own `engine/`, the `reserve` and the `lock`.
//!
//! Where an earlier host kept its records in files, they are taken over when the store is opened (`earlier`). The engine
//! knows nothing of all this but a [`Notebook`] to write in.
//!
//! Documents lie on a [`Shelf`] for each kind. One document has one order of changes: who wants to change it
//! takes its [`Turn`], reads, and writes; the turn ends when the change is on disk, also where whoever began it
//! has gone away. What a reader sees is on disk already.

mod database;
mod directory;
mod earlier;
mod entry;
pub(crate) mod files;
mod lock;
mod notebook;
mod reserve;
mod shelf;
mod writer;

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
pub(crate) use directory::{Directory, unusable};
pub(crate) use entry::Turn;
pub use lock::host_on;
pub use notebook::Notebook;
pub(crate) use shelf::{Document, Shelf};
pub(crate) use writer::Unwritten;

use database::Documents;
use shelf::Damaged;
use writer::Writer;

/// The store of one host, for as long as it is in use.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Directory,
    writer: Arc<Writer>,
    found: Documents,
    damaged: Vec<String>,
}

impl Store {
    /// Takes the data directory and reads its store. Blocks.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let (directory, lock) = Directory::take(root)?;
        let (writer, mut found) = Writer::start(directory.place(), lock)?;
        earlier::take_over(&directory, &writer, found.entry(earlier::KIND.to_owned()).or_default())?;
        Ok(Self { directory, writer: Arc::new(writer), found, damaged: Vec::new() })
    }

    /// Takes the documents of one kind out of what was found.
    pub(crate) fn shelf<T: Document>(&mut self) -> Arc<Shelf<T>> {
        let found = self.found.remove(T::KIND).unwrap_or_default();
        let (shelf, damaged) = Shelf::fill(found, &self.writer);
        for Damaged { key, reason } in damaged {
            tracing::warn!(kind = T::KIND, key, reason, "a record cannot be read; it is left as it is");
            self.damaged.push(format!("the record {key:?} ({}) cannot be read: {reason}", T::KIND));
        }
        shelf
    }

    /// What the engine has to remember; taken out once.
    pub(crate) fn notebook(&mut self) -> Arc<Notebook> {
        let found = self.found.remove(notebook::KIND).unwrap_or_default();
        Arc::new(Notebook::of(found, Arc::clone(&self.writer)))
    }

    /// What could not be read, one line each. It is left as it is.
    pub(crate) fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// Where what is no document is.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Ends the writing, and lets go of the data directory. What was begun is on disk when this ends.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests;
