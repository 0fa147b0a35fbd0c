//! Who types at a session, and how far each of them has come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// How many are remembered for each session. Who came first is forgotten first.
const REMEMBERED: usize = 64;

/// Those who type at a session, by the names that they give themselves.
#[derive(Debug, Default)]
pub(super) struct Typists(Mutex<VecDeque<(String, Arc<Typist>)>>);

/// One of them, over all connections that he makes.
#[derive(Debug)]
pub(super) struct Typist {
    /// How many bytes of his have reached the terminal.
    taken: watch::Sender<u64>,
}

impl Typists {
    /// Those that were known elsewhere.
    pub(super) fn restored(saved: Vec<(String, u64)>) -> Self {
        let all = saved.into_iter().map(|(name, taken)| (name, Arc::new(Typist::new(taken))));
        Self(Mutex::new(all.collect()))
    }

    /// What is to be known elsewhere.
    pub(super) fn save(&self) -> Vec<(String, u64)> {
        self.all().iter().map(|(name, typist)| (name.clone(), typist.taken())).collect()
    }

    /// The one of this name, who may be new.
    pub(super) fn named(&self, name: &str) -> Arc<Typist> {
        let mut all = self.all();
        if let Some((_, typist)) = all.iter().find(|(of, _)| of == name) {
            return Arc::clone(typist);
        }
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        let typist = Arc::new(Typist::new(0));
        all.push_back((name.to_owned(), Arc::clone(&typist)));
        typist
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(String, Arc<Typist>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Typist {
    fn new(taken: u64) -> Self {
        Self { taken: watch::Sender::new(taken) }
    }

    /// How many bytes of his have reached the terminal.
    pub(super) fn taken(&self) -> u64 {
        *self.taken.borrow()
    }

    /// Tells that, now and whenever it changes.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.taken.subscribe()
    }

    /// So many more bytes have.
    pub(super) fn add(&self, more: usize) {
        self.taken.send_modify(|taken| *taken += more as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typist_is_the_same_on_every_connection_and_the_first_is_forgotten_first() {
        let typists = Typists::default();
        typists.named("a").add(3);
        for at in 1..REMEMBERED {
            typists.named(&at.to_string());
        }
        assert_eq!(typists.named("a").taken(), 3);
        typists.named("one more");
        assert_eq!(typists.named("a").taken(), 0);
    }

    #[test]
    fn what_was_taken_is_known_elsewhere() {
        let typists = Typists::default();
        typists.named("a").add(3);
        assert_eq!(Typists::restored(typists.save()).named("a").taken(), 3);
    }
}
