//! One stream of a log: its bytes, and when they came.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Weight;
use super::place::Place;
use super::store::{SavedBytes, SavedStore, Store};

/// How many runs are remembered. Of what is older, the order in which the two streams came is not.
const RUNS: usize = 32 << 10;

/// One stream, as far as it is kept.
#[derive(Debug)]
pub(super) struct Stream {
    store: Store,
    runs: VecDeque<Run>,
}

/// Bytes of one stream that arrived with none of the other between them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    /// How many bytes of both streams arrived before it.
    at: u64,
    /// How many bytes of its own stream came before it.
    start: u64,
    len: u64,
    kind: Kind,
}

/// Who wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The process.
    Output,
    /// The agent, between two runs of the process.
    Restart,
}

/// Bytes that can be taken next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    /// When they came: how many bytes of both streams came before them.
    pub(super) at: u64,
    /// How many bytes of their own stream came before them.
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) kind: Kind,
}

/// A stream on its way to another program.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedStream {
    pub(super) store: SavedStore,
    runs: VecDeque<Run>,
}

impl Stream {
    pub(super) fn new(place: Arc<Place>) -> Self {
        Self { store: Store::new(place), runs: VecDeque::new() }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Adds what came after `at` bytes of both streams.
    pub(super) fn append(&mut self, at: u64, kind: Kind, bytes: &[u8]) {
        let (start, len) = (self.store.total(), bytes.len() as u64);
        self.store.append(bytes);
        match self.runs.back_mut() {
            Some(last) if last.at + last.len == at && last.kind == kind => last.len += len,
            _ => self.runs.push_back(Run { at, start, len, kind }),
        }
        if self.runs.len() > RUNS {
            self.join_oldest();
        }
        let cut = self.store.cut();
        while self.runs.front().is_some_and(|run| run.start + run.len <= cut) {
            self.runs.pop_front();
        }
    }

    fn join_oldest(&mut self) {
        let Some(oldest) = self.runs.pop_front() else { return };
        if let Some(next) = self.runs.front_mut() {
            let len = oldest.len + next.len;
            *next = Run { len, kind: Kind::Output, ..oldest };
        }
    }

    /// What comes first at or after `position`.
    pub(super) fn next_at(&self, position: u64) -> Option<Next> {
        let start = position.max(self.store.cut());
        let after = self.runs.partition_point(|run| run.start + run.len <= start);
        let run = self.runs.get(after)?;
        let skipped = start - run.start;
        Some(Next { at: run.at + skipped, start, len: run.len - skipped, kind: run.kind })
    }

    /// What it costs to keep it.
    pub(super) fn weight(&self) -> Weight {
        let runs = (self.runs.len() * size_of::<Run>()) as u64;
        match self.store.is_in_file() {
            true => Weight { in_memory: runs, in_files: self.store.len(), files: 1 },
            false => Weight { in_memory: runs + self.store.len(), ..Weight::default() },
        }
    }

    /// Lets go of everything that is kept.
    pub(super) fn forget(&mut self) {
        self.store.forget();
        self.runs.clear();
    }

    pub(super) fn save(&self) -> io::Result<(SavedStream, SavedBytes)> {
        let (store, bytes) = self.store.save()?;
        Ok((SavedStream { store, runs: self.runs.clone() }, bytes))
    }

    pub(super) fn restored(saved: SavedStream, bytes: SavedBytes, place: &Arc<Place>) -> Self {
        let store = Store::restored(saved.store, bytes, place);
        let runs = if store.len() == 0 { VecDeque::new() } else { saved.runs };
        Self { store, runs }
    }

    /// How many runs are remembered.
    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }
}
