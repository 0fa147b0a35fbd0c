//! What is told of every request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many passages wait for a slow reader; the oldest are missed first.
const WAITING: usize = 1_024;

/// A request that has passed, when all of its answer has, or its caller has left.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Passage {
    /// The method.
    pub method: Method,
    /// The path as it came, without its query, which may hold secrets.
    pub path: String,
    /// The status that the caller got; `None` where it left before.
    pub status: Option<StatusCode>,
    /// What was done for it, as in [`ATTEMPTS`](crate::ATTEMPTS); empty where the caller left before an answer.
    pub attempts: String,
    /// From the head of the request to the end of the answer.
    pub took: Duration,
    /// Bytes of the request's body that passed.
    pub sent: u64,
    /// Bytes of the answer's body that passed.
    pub received: u64,
}

/// What is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Seen {
    /// A request has passed.
    Passage(Passage),
    /// Whoever listens was too slow for so many.
    Missed(u64),
}

/// Requests that pass, from the moment of asking for them; made by [`Relay::passages`](crate::Relay::passages).
#[derive(Debug)]
pub struct Passages(broadcast::Receiver<Passage>);

impl Passages {
    /// The next one; `None` when the relay has stopped.
    pub async fn next(&mut self) -> Option<Seen> {
        match self.0.recv().await {
            Ok(passage) => Some(Seen::Passage(passage)),
            Err(RecvError::Lagged(missed)) => Some(Seen::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Where passages are told.
#[derive(Clone, Debug)]
pub(crate) struct Teller(broadcast::Sender<Passage>);

impl Teller {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }

    pub(crate) fn listen(&self) -> Passages {
        Passages(self.0.subscribe())
    }

    /// Begins to tell of a request; nothing where nobody listens.
    pub(crate) fn begin(&self, method: &Method, path: &str) -> Option<Arc<Telling>> {
        if self.0.receiver_count() == 0 {
            return None;
        }
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        let (method, path, began) = (method.clone(), path.to_owned(), Instant::now());
        let answered = std::sync::OnceLock::new();
        Some(Arc::new(Telling { to: self.clone(), method, path, began, sent, received, answered }))
    }
}

/// One request of which is told when this is dropped.
#[derive(Debug)]
pub(crate) struct Telling {
    to: Teller,
    method: Method,
    path: String,
    began: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    answered: std::sync::OnceLock<(StatusCode, String)>,
}

impl Telling {
    pub(crate) fn answered(&self, status: StatusCode, attempts: String) {
        // There is one answer.
        let _ = self.answered.set((status, attempts));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let answered = self.answered.take();
        let (status, attempts) =
            answered.map_or((None, String::new()), |(status, line)| (Some(status), line));
        let passage = Passage {
            method: self.method.clone(),
            path: std::mem::take(&mut self.path),
            status,
            attempts,
            took: self.began.elapsed(),
            sent: *self.sent.get_mut(),
            received: *self.received.get_mut(),
        };
        // Nobody may listen any more.
        let _ = self.to.0.send(passage);
    }
}

/// A body that is counted while it passes, and keeps what belongs to its exchange until it ends.
pub(crate) struct Counted<B, K> {
    body: B,
    telling: Option<Arc<Telling>>,
    count: fn(&Telling, usize),
    _keep: K,
}

impl<B> Counted<B, ()> {
    /// What a client sends.
    pub(crate) fn up(body: B, telling: Option<Arc<Telling>>) -> Self {
        Self { body, telling, count: Telling::sent, _keep: () }
    }
}

impl<B, K> Counted<B, K> {
    /// What the platform answers.
    pub(crate) fn down(body: B, telling: Option<Arc<Telling>>, keep: K) -> Self {
        Self { body, telling, count: Telling::received, _keep: keep }
    }
}

impl<B: Body<Data = Bytes> + Unpin, K: Unpin> Body for Counted<B, K> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(telling), Some(Ok(frame))) = (&self.telling, &frame) {
            (self.count)(telling, frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
