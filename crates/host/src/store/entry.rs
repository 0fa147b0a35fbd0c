use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::database::{Change, Purpose};
use super::shelf::{Document, Shelf};
use super::writer::{Unwritten, Writer};

/// The word for documents in the file that could not be read and had to make room. Nobody looks for them but people.
const ASIDE: &str = "damaged";

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
        let mut changes: Vec<Change> = self.kept_aside().into_iter().collect();
        changes.push(Change { kind: T::KIND, key: self.entry.key.clone(), value: json, purpose });
        let (tell, told) = oneshot::channel();
        let (shelf, entry, held) = (Arc::clone(&self.shelf), Arc::clone(&self.entry), Arc::clone(&self.held));
        self.writer.submit(changes, move |written| {
            if written.is_ok() {
                shelf.set_aside(entry.key());
                entry.set(value);
            }
            // Let go of before anybody hears of it: whoever comes next finds nothing of this turn.
            drop((shelf, entry, held));
            // Whoever began it may have gone away.
            let _ = tell.send(written);
        });
        told.await.unwrap_or(Err(Unwritten::Closed))
    }

    /// The copy of what stands in this place and cannot be read, where that is so: it makes room, and is not lost.
    fn kept_aside(&self) -> Option<Change> {
        let (kind, key) = (T::KIND, self.entry.key());
        let value = Some(self.shelf.damage(key)?);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let aside = format!("{kind}/{key}/{}", since.as_micros());
        tracing::warn!(kind, key, aside, "a record that cannot be read makes room, and is kept in the store");
        Some(Change { kind: ASIDE, key: aside, value, purpose: Purpose::Keeps })
    }
}

impl<T: Document> Drop for Turn<T> {
    fn drop(&mut self) {
        self.shelf.sweep(&self.entry);
    }
}
