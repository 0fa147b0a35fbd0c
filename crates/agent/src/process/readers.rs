//! Those who follow a process: what they have yet to read is not overwritten, the process waits instead.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::log::{Position, Source};

/// How long one look at a reader that reads nothing takes.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks at which it had read nothing, it holds the process no longer. Looks are counted, and not time,
/// so that a reader which slept with the sandbox is not taken for one that has gone.
const LOOKS: usize = 30;

/// The readers of one log.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    open: Mutex<Vec<Weak<Place>>>,
    read_on: Notify,
}

/// How far one reader has read. It counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    place: Arc<Place>,
    readers: Arc<Readers>,
}

#[derive(Debug)]
struct Place {
    position: [AtomicU64; 2],
    let_go: AtomicBool,
}

impl Readers {
    /// One that has read up to `position`.
    pub(crate) fn enter(self: &Arc<Self>, position: Position) -> Reader {
        let place =
            Arc::new(Place { position: position.map(AtomicU64::new), let_go: AtomicBool::new(false) });
        let mut open = self.open();
        open.retain(|place| place.strong_count() > 0);
        open.push(Arc::downgrade(&place));
        Reader { place, readers: Arc::clone(self) }
    }

    /// How far the slowest has read `source`; nothing where nobody reads.
    pub(crate) fn slowest(&self, source: Source) -> Option<u64> {
        self.holding().iter().map(|place| place.at(source)).min()
    }

    /// Waits until one of them has read on or left. The slowest of `source` is given up when nobody does.
    pub(crate) async fn read_on(&self, source: Source) {
        for _ in 0..LOOKS {
            if tokio::time::timeout(LOOK, self.read_on.notified()).await.is_ok() {
                return;
            }
        }
        let holding = self.holding();
        if let Some(slowest) = holding.iter().min_by_key(|place| place.at(source)) {
            slowest.let_go.store(true, Ordering::Relaxed);
        }
    }

    fn holding(&self) -> Vec<Arc<Place>> {
        let open = self.open();
        let places = open.iter().filter_map(Weak::upgrade);
        places.filter(|place| !place.let_go.load(Ordering::Relaxed)).collect()
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<Place>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn at(&self, source: Source) -> u64 {
        self.position[source as usize].load(Ordering::Relaxed)
    }
}

impl Reader {
    /// How far it has read.
    pub(crate) fn position(&self) -> Position {
        Source::BOTH.map(|source| self.place.at(source))
    }

    /// Notes that it has read `source` up to `position`.
    pub(crate) fn advance(&self, source: Source, position: u64) {
        self.place.position[source as usize].store(position, Ordering::Relaxed);
        self.readers.read_on.notify_one();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.place.let_go.store(true, Ordering::Relaxed);
        self.readers.read_on.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Source::Stdout;

    #[tokio::test(start_paused = true)]
    async fn the_slowest_counts_until_it_leaves() {
        let readers = Arc::new(Readers::default());
        assert_eq!(readers.slowest(Stdout), None);
        let (slow, fast) = (readers.enter([0, 0]), readers.enter([0, 0]));
        fast.advance(Stdout, 10);
        assert_eq!(readers.slowest(Stdout), Some(0));
        drop(slow);
        assert_eq!(readers.slowest(Stdout), Some(10));
        drop(fast);
        assert_eq!(readers.slowest(Stdout), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_on_is_waited_for() {
        let readers = Arc::new(Readers::default());
        let reader = readers.enter([0, 0]);
        for read in 1..100 {
            let (_, ()) = tokio::join!(readers.read_on(Stdout), async {
                tokio::time::sleep(LOOK * (LOOKS as u32 - 1)).await;
                reader.advance(Stdout, read);
            });
        }
        assert_eq!(readers.slowest(Stdout), Some(99));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_given_up() {
        let readers = Arc::new(Readers::default());
        let (_stuck, other) = (readers.enter([0, 0]), readers.enter([5, 0]));
        // What happened before the wait is no reading on.
        other.advance(Stdout, 5);
        readers.read_on(Stdout).await;
        readers.read_on(Stdout).await;
        assert_eq!(readers.slowest(Stdout), Some(5));
    }
}
