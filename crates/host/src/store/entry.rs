use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::database::{Change, Purpose};
use super::shelf::{Document, Shelf};
use super::writer::{Unwritten, Writer};

/// The place of one document, whether or not there is one.
pub(super) struct Entry<T> {
    key: String,
    value: RwLock<Option<Arc<T>>>,
    turn: Arc<Mutex<()>>,
}

impl<T: Document> Entry<T> {
    pub(super) fn new(key: String, value: Option<T>) -> Arc<Self> {
        Arc::new(Self { key, value: RwLock::new(value.map(Arc::new)), turn: Arc::default() })
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// What is on disk.
    pub(super) fn read(&self) -> Option<Arc<T>> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, value: Option<Arc<T>>) {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<T: fmt::Debug> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).field("value", &self.value).finish_non_exhaustive()
    }
}

/// The right to change one document: nobody else changes it while this is held.
///
/// A change that was begun is carried out also where this is dropped meanwhile, and the next turn begins after it.
#[derive(Debug)]
pub(crate) struct Turn<T: Document> {
    shelf: Arc<Shelf<T>>,
    entry: Arc<Entry<T>>,
    writer: Arc<Writer>,
    held: Arc<OwnedMutexGuard<()>>,
}

impl<T: Document> Turn<T> {
    /// Waits for the turn.
    pub(super) async fn take(shelf: Arc<Shelf<T>>, entry: Arc<Entry<T>>, writer: Arc<Writer>) -> Self {
        let held = Arc::new(Arc::clone(&entry.turn).lock_owned().await);
        Self { shelf, entry, writer, held }
    }

    /// Takes the turn where nobody has it.
    pub(super) fn try_take(shelf: Arc<Shelf<T>>, entry: Arc<Entry<T>>, writer: Arc<Writer>) -> Option<Self> {
        let held = Arc::new(Arc::clone(&entry.turn).try_lock_owned().ok()?);
        Some(Self { shelf, entry, writer, held })
    }

    /// The document as it is.
    pub(crate) fn read(&self) -> Option<Arc<T>> {
        self.entry.read()
    }

    /// Puts a document in its place; it is on disk when this ends well.
    pub(crate) async fn put(&self, value: T) -> Result<(), Unwritten> {
        self.change(Some(value), Purpose::Keeps).await
    }

    /// The same on the way to a removal: it may take what is kept for a full disk.
    pub(crate) async fn mark(&self, value: T) -> Result<(), Unwritten> {
        self.change(Some(value), Purpose::Frees).await
    }

    /// Takes the document away; it is gone from the disk when this ends well.
    pub(crate) async fn remove(&self) -> Result<(), Unwritten> {
        self.change(None, Purpose::Frees).await
    }

    async fn change(&self, value: Option<T>, purpose: Purpose) -> Result<(), Unwritten> {
        let json = value.as_ref().map(serde_json::to_vec).transpose();
        let json = json.map_err(|error| Unwritten::Failed(error.to_string()))?;
        let value = value.map(Arc::new);
        let change = Change { kind: T::KIND, key: self.entry.key.clone(), value: json, purpose };
        let (tell, told) = oneshot::channel();
        let (entry, held) = (Arc::clone(&self.entry), Arc::clone(&self.held));
        self.writer.submit(change, move |written| {
            if written.is_ok() {
                entry.set(value);
            }
            // Let go of before anybody hears of it: whoever comes next finds nothing of this turn.
            drop((entry, held));
            // Whoever began it may have gone away.
            let _ = tell.send(written);
        });
        told.await.unwrap_or(Err(Unwritten::Closed))
    }
}

impl<T: Document> Drop for Turn<T> {
    fn drop(&mut self) {
        self.shelf.sweep(&self.entry);
    }
}
