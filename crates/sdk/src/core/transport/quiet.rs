//! How long a peer may be silent.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A bound on silence: no byte in either direction for that long.
///
/// One timer serves an attempt from its beginning to its end. What comes does not set it anew; only where it strikes
/// is it looked how long it has been quiet.
pub(crate) struct Quiet {
    most: Duration,
    /// Since when it is quiet, where somebody has waited since.
    since: Option<Instant>,
    /// Counted where the body of the request takes its time.
    progress: Option<Arc<AtomicU64>>,
    /// How much of the request had gone when that was looked at last.
    gone: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Quiet {
    /// A bound that begins when somebody has to wait.
    pub(crate) fn new(most: Duration) -> Self {
        Self { most, since: None, progress: None, gone: 0, timer: None }
    }

    /// What the body of the request counts its progress in.
    pub(crate) fn progress(&mut self) -> Arc<AtomicU64> {
        Arc::clone(self.progress.get_or_insert_default())
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.since = None;
    }

    /// Waits for `work`, or until it was quiet for too long.
    pub(crate) async fn bound<F: Future + Unpin>(&mut self, work: F) -> Option<F::Output> {
        self.within(self.most, work).await
    }

    /// Waits for `work`, or until it was quiet for `most`.
    pub(crate) async fn within<F: Future + Unpin>(
        &mut self,
        most: Duration,
        mut work: F,
    ) -> Option<F::Output> {
        poll_fn(|cx| match Pin::new(&mut work).poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_silence(most, cx).map(|()| None),
        })
        .await
    }

    fn poll_silence(&mut self, most: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            let end = since.checked_add(most);
            let timer = match &mut self.timer {
                Some(timer) => timer,
                None => self.timer.insert(Box::pin(sleep_until(end))),
            };
            ready!(timer.as_mut().poll(cx));
            let gone = self.progress.as_ref().map_or(0, |progress| progress.load(Ordering::Relaxed));
            let now = Instant::now();
            match end {
                Some(end) if end <= now && gone == self.gone => return Poll::Ready(()),
                Some(end) if end <= now => {
                    self.gone = gone;
                    self.since = Some(now);
                    timer.as_mut().set(sleep_until(now.checked_add(most)));
                }
                _ => timer.as_mut().set(sleep_until(end)),
            }
        }
    }
}

fn sleep_until(end: Option<Instant>) -> Sleep {
    match end {
        Some(end) => tokio::time::sleep_until(end),
        // As far away as the clock goes.
        None => tokio::time::sleep(Duration::MAX),
    }
}
