//! Who looks at a session and has to see all of it: the shell waits for them, as long as they move.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

/// How far one may be behind before the shell waits, in bytes.
const BEHIND: u64 = 128 << 10;
/// How long the shell waits for one that does not move.
const PATIENCE: Duration = Duration::from_secs(5);

/// Those who look.
#[derive(Debug, Default)]
pub(super) struct Viewers(Mutex<Vec<Weak<Viewer>>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Viewer {
    seen: watch::Sender<Seen>,
}

/// What one has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    UpTo(u64),
    /// He has not moved, and nobody waits for him until he does.
    GivenUp(u64),
}

impl Viewers {
    /// One more, who has seen the first `from` bytes. He looks until he is dropped.
    pub(super) fn add(&self, from: u64) -> Arc<Viewer> {
        let viewer = Arc::new(Viewer { seen: watch::Sender::new(Seen::UpTo(from)) });
        let mut all = self.all();
        all.retain(|viewer| viewer.strong_count() > 0);
        all.push(Arc::downgrade(&viewer));
        viewer
    }

    /// Waits until nobody who moves is far behind `written` bytes.
    pub(super) async fn follow(&self, written: u64) {
        while let Some(mut seen) = self.far_behind(written) {
            let moved = tokio::time::timeout(PATIENCE, seen.changed()).await;
            if moved.is_err() {
                self.give_up(&seen);
            }
        }
    }

    fn far_behind(&self, written: u64) -> Option<watch::Receiver<Seen>> {
        let all = self.all();
        let is_far = |seen: Seen| matches!(seen, Seen::UpTo(seen) if written.saturating_sub(seen) > BEHIND);
        all.iter()
            .filter_map(Weak::upgrade)
            .find(|viewer| is_far(*viewer.seen.borrow()))
            .map(|viewer| viewer.seen.subscribe())
    }

    fn give_up(&self, seen: &watch::Receiver<Seen>) {
        for viewer in self.all().iter().filter_map(Weak::upgrade) {
            if viewer.seen.subscribe().same_channel(seen) {
                viewer.seen.send_if_modified(|seen| match *seen {
                    Seen::UpTo(at) => {
                        *seen = Seen::GivenUp(at);
                        true
                    }
                    Seen::GivenUp(_) => false,
                });
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Viewer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewer {
    /// He has seen the first `at` bytes.
    pub(super) fn has_seen(&self, at: u64) {
        self.seen.send_replace(Seen::UpTo(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test(start_paused = true)]
    async fn the_shell_waits_for_who_moves() {
        let viewers = Viewers::default();
        let viewer = viewers.add(0);
        assert!(viewers.follow(BEHIND).now_or_never().is_some());
        let mut following = Box::pin(viewers.follow(BEHIND + 1));
        assert!(following.as_mut().now_or_never().is_none());
        viewer.has_seen(1);
        assert!(following.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_shell_does_not_wait_for_who_does_not_move_nor_for_who_is_gone() {
        let viewers = Viewers::default();
        let viewer = viewers.add(0);
        viewers.follow(1 << 40).await;
        assert!(viewers.follow(1 << 41).now_or_never().is_some(), "it has been waited for him once");
        viewer.has_seen(1);
        let mut following = Box::pin(viewers.follow(1 << 40));
        assert!(following.as_mut().now_or_never().is_none(), "he has moved");
        drop(viewer);
        following.await;
    }
}
