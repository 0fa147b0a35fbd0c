//! Waiting for what the server sees, from async and from blocking tests alike.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::arrivals::{Arrival, BodyState, Log, State};
use crate::error::{Error, ErrorKind};

/// How long something is waited for. A test that fails should say so before its reader gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that will be so within thirty seconds, or is an error of the kind
/// [`Timeout`](ErrorKind::Timeout).
///
/// `.await` it in any runtime, or call [`wait`](Self::wait) without one.
#[derive(Debug)]
#[must_use = "nothing is waited for until this is awaited"]
pub struct Wait<T> {
    outcome: oneshot::Receiver<Result<T, Error>>,
}

impl<T: Send + 'static> Wait<T> {
    pub(crate) fn begin(
        runtime: &Handle,
        log: Arc<Log>,
        what: String,
        ready: impl Fn(&State) -> Option<T> + Send + 'static,
    ) -> Self {
        let (report, outcome) = oneshot::channel();
        runtime.spawn(async move {
            let reached = tokio::time::timeout(PATIENCE, reached(&log, ready)).await;
            let outcome = reached.map_err(|_| {
                let counts = log.read().counts;
                let seconds = PATIENCE.as_secs();
                Error::new(ErrorKind::Timeout, format!("waited {seconds} s for {what}, saw {counts:?}"))
            });
            // Whoever asked may have stopped caring.
            let _ = report.send(outcome);
        });
        Self { outcome }
    }

    /// Waits on this thread.
    ///
    /// # Errors
    ///
    /// It did not happen in thirty seconds, or the server ended.
    pub fn wait(self) -> Result<T, Error> {
        pollster::block_on(self)
    }
}

impl<T> Future for Wait<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(cx));
        Poll::Ready(outcome.unwrap_or_else(|_| Err(Error::new(ErrorKind::Stopped, "the server ended"))))
    }
}

async fn reached<T>(log: &Log, ready: impl Fn(&State) -> Option<T>) -> T {
    let mut changes = log.watch();
    loop {
        changes.borrow_and_update();
        let found = ready(&log.read());
        match found {
            Some(value) => return value,
            None => next_change(&mut changes).await,
        }
    }
}

/// The log owns the sender and is held by whoever waits, so the channel does not close under them.
async fn next_change(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The arrivals of a server, one after the other; see [`FaultServer::feed`](crate::FaultServer::feed).
#[derive(Debug)]
pub struct Feed {
    log: Arc<Log>,
    next: u64,
}

impl Feed {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { log, next: 1 }
    }

    /// The next arrival. It can be dropped while it waits without losing one.
    pub async fn next(&mut self) -> Arrival {
        let next = self.next;
        let arrival = reached(&self.log, |state| {
            let index = state.kept.partition_point(|arrival| arrival.sequence < next);
            let arrival = state.kept.get(index)?;
            (arrival.body.state != BodyState::Arriving).then(|| arrival.clone())
        })
        .await;
        self.next = arrival.sequence + 1;
        arrival
    }
}
