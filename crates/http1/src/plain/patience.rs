//! How long a connection waits for its next request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A time that begins anew with every request.
///
/// The timer is not set with each of them, but when it runs out: it then looks how long the last one has been waited
/// for.
pub(super) struct Patience {
    lasts: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(lasts: Duration) -> Self {
        let since = Instant::now();
        Self { lasts, since, timer: Box::pin(tokio::time::sleep(lasts)) }
    }

    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            // What is too large for a clock never ends.
            let Some(end) = self.since.checked_add(self.lasts) else { return Poll::Pending };
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_lasts_from_the_last_beginning_on() {
        let began = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(29)).await;
        patience.begin();
        poll_fn(|cx| patience.poll_over(cx)).await;
        assert_eq!(began.elapsed().as_secs(), 59);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_one_does_not_end() {
        let mut patience = Patience::new(Duration::MAX);
        patience.begin();
        let over = poll_fn(|cx| patience.poll_over(cx));
        assert!(tokio::time::timeout(Duration::from_secs(3600), over).await.is_err());
    }
}
