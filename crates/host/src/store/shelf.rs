use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::{Entry, Turn};
use super::writer::Writer;

/// Something that the store keeps.
pub(crate) trait Document: Serialize + DeserializeOwned + fmt::Debug + Send + Sync + 'static {
    /// The word for its kind in the file. Never changed once it was used.
    const KIND: &'static str;
}

/// All documents of one kind.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    entries: Mutex<BTreeMap<String, Arc<Entry<T>>>>,
    /// Documents that cannot be read, as they are.
    damaged: Mutex<BTreeMap<String, Vec<u8>>>,
    writer: Arc<Writer>,
}

/// A document that cannot be read. It is left as it is, and its key stays taken; where something is put in its place all
/// the same, it is kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damaged {
    pub(super) key: String,
    pub(super) reason: String,
}

impl<T: Document> Shelf<T> {
    pub(super) fn fill(found: BTreeMap<String, Vec<u8>>, writer: &Arc<Writer>) -> (Arc<Self>, Vec<Damaged>) {
        let (mut entries, mut damaged, mut told) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (key, json) in found {
            match serde_json::from_slice(&json) {
                Ok(value) => drop(entries.insert(key.clone(), Entry::new(key, Some(value)))),
                Err(error) => {
                    told.push(Damaged { key: key.clone(), reason: error.to_string() });
                    damaged.insert(key, json);
                }
            }
        }
        let (entries, damaged) = (Mutex::new(entries), Mutex::new(damaged));
        (Arc::new(Self { entries, damaged, writer: Arc::clone(writer) }), told)
    }

    /// The document under a key.
    pub(crate) fn read(&self, key: &str) -> Option<Arc<T>> {
        self.entries().get(key).and_then(|entry| entry.read())
    }

    /// Every document, by key.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.entries().values().filter_map(|entry| entry.read()).collect()
    }

    /// Those whose keys begin so.
    pub(crate) fn beginning(&self, prefix: &str) -> Vec<Arc<T>> {
        let entries = self.entries();
        let from = entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let below = from.take_while(|(key, _)| key.starts_with(prefix));
        below.filter_map(|(_, entry)| entry.read()).collect()
    }

    /// Whether something that cannot be read stands under a key.
    pub(crate) fn is_damaged(&self, key: &str) -> bool {
        self.damaged().contains_key(key)
    }

    /// What stands under a key and cannot be read.
    pub(super) fn damage(&self, key: &str) -> Option<Vec<u8>> {
        self.damaged().get(key).cloned()
    }

    /// Says that it is kept elsewhere.
    pub(super) fn set_aside(&self, key: &str) {
        self.damaged().remove(key);
    }

    /// Waits for the right to change what stands under a key, now or in future.
    pub(crate) async fn turn(self: &Arc<Self>, key: &str) -> Turn<T> {
        let entry = self.entry(key);
        Turn::take(Arc::clone(self), entry, Arc::clone(&self.writer)).await
    }

    /// The same where nobody has it; `None` where somebody has.
    pub(crate) fn try_turn(self: &Arc<Self>, key: &str) -> Option<Turn<T>> {
        let entry = self.entry(key);
        Turn::try_take(Arc::clone(self), entry, Arc::clone(&self.writer))
    }

    fn entry(&self, key: &str) -> Arc<Entry<T>> {
        let mut entries = self.entries();
        let new = || Entry::new(key.to_owned(), None);
        Arc::clone(entries.entry(key.to_owned()).or_insert_with(new))
    }

    /// Lets go of a place with nothing in it that nobody else waits for.
    pub(super) fn sweep(&self, entry: &Arc<Entry<T>>) {
        const MAP_AND_TURN: usize = 2;
        let mut entries = self.entries();
        if Arc::strong_count(entry) == MAP_AND_TURN && entry.read().is_none() {
            entries.remove(entry.key());
        }
    }

    /// How many places there are, with something in them or not.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.entries().len()
    }

    fn damaged(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry<T>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
