use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The requests of a whole host that wait for sandboxes to wake: how many there may be, and how much they hold.
///
/// What one sandbox may have of it is bound where its requests are held ([`super::standby::wake`]).
#[derive(Debug)]
pub(crate) struct Queue {
    bounds: Load,
    held: Mutex<Load>,
}

/// So many requests, which hold so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) requests: usize,
    pub(crate) bytes: u64,
}

/// A request's share of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    queue: Arc<Queue>,
    bytes: u64,
}

impl Queue {
    pub(crate) fn new(bounds: Load) -> Arc<Self> {
        Arc::new(Self { bounds, held: Mutex::default() })
    }

    /// Takes a place for a request that holds so many bytes; `None` where there is none.
    pub(super) fn enter(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let mut held = self.held();
        let all = Load { requests: held.requests + 1, bytes: held.bytes.saturating_add(bytes) };
        if all.requests > self.bounds.requests || all.bytes > self.bounds.bytes {
            return None;
        }
        *held = all;
        Some(Share { queue: Arc::clone(self), bytes })
    }

    /// What waits now.
    pub(crate) fn load(&self) -> Load {
        *self.held()
    }

    fn held(&self) -> MutexGuard<'_, Load> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.queue.held();
        held.requests -= 1;
        held.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leaves_makes_room_and_nobody_passes_either_bound() {
        let queue = Queue::new(Load { requests: 3, bytes: 100 });
        let first = queue.enter(60).unwrap();
        assert!(queue.enter(41).is_none() && queue.enter(u64::MAX).is_none());
        let others = [queue.enter(40).unwrap(), queue.enter(0).unwrap()];
        assert!(queue.enter(0).is_none());
        assert_eq!(queue.load(), Load { requests: 3, bytes: 100 });
        drop(others);
        let last = queue.enter(40).unwrap();
        drop((first, last));
        assert_eq!(queue.load(), Load::default());
    }
}
