//! Interim answers (RFC 9110, section 15.2): what is said of a request before its answer.
//!
//! An HTTP library has no place for them, but the socket below it has: while a request is being served nothing of
//! another answer is under way, so that they may be written whenever the library has nothing more to write. For that
//! to stay true, serving ends only when all that was handed over has been taken, and from then on nothing more is.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use crate::written::{write_line, write_status_line};

/// How much waits for a slow client, in bytes.
const MOST: usize = 16 * 1024;
/// What is not said in an interim answer: it has no body, and says nothing of its connection.
const LEFT_OUT: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Something waits to be written.
const WAITING: u64 = 1;
/// A request is being served.
const SERVING: u64 = 2;
/// What its number counts up by.
const TURN: u64 = 4;

/// The interim answers of one connection, made by its [`Socket`](crate::Socket).
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode};
/// use reveille_http1::Socket;
///
/// let (_client, server) = tokio::io::duplex(64);
/// let interims = Socket::new(server).interims();
/// let hints = HeaderMap::from_iter([(http::header::LINK, HeaderValue::from_static("</a.css>; rel=preload"))]);
/// // Nothing is being served on it.
/// assert!(!interims.now().send(StatusCode::EARLY_HINTS, &hints));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interims(Arc<Shared>);

/// Sends interim answers to one request, for as long as it is being served.
#[derive(Clone, Debug)]
pub struct Interim(To);

/// Where they go.
#[derive(Clone)]
enum To {
    Nobody,
    /// Between the answers of a connection, while this request is being served on it.
    Connection(Interims, u64),
    Elsewhere(Arc<dyn Fn(StatusCode, HeaderMap) -> bool + Send + Sync>),
}

#[derive(Debug, Default)]
struct Shared {
    /// The number of the request, whether it is being served, and whether something waits. What waits goes with the
    /// number only where one exchange has found it unchanged.
    state: AtomicU64,
    waiting: Mutex<Vec<u8>>,
    task: AtomicWaker,
}

impl Interims {
    /// Those to the request that is being served now. To a client of HTTP/1.0, which knows of none, nothing is sent.
    #[must_use]
    pub fn now(&self) -> Interim {
        let state = self.0.state.load(Ordering::Acquire) & !WAITING;
        if state & SERVING != 0 { Interim(To::Connection(self.clone(), state)) } else { Interim::none() }
    }

    /// Serves a request on an HTTP library, which writes to the [`Socket`](crate::Socket) that these are of. Ends when
    /// what was sent meanwhile is on its way.
    pub async fn during<F: Future>(&self, version: Version, serving: F) -> F::Output {
        if version != Version::HTTP_11 {
            return serving.await;
        }
        let mut turn = self.begin();
        let mut serving = pin!(serving);
        let served = poll_fn(|cx| {
            let served = serving.as_mut().poll(cx);
            if served.is_pending() {
                turn.watch(cx);
            }
            served
        });
        let served = served.await;
        poll_fn(|cx| turn.poll_end(cx)).await;
        served
    }

    /// Begins to serve a request, the only one at that time.
    pub(crate) fn begin(&self) -> Turn<'_> {
        let state = self.0.state.fetch_or(SERVING, Ordering::AcqRel) | SERVING;
        Turn { shared: &self.0, state }
    }

    /// Takes what waits; nothing where nothing does.
    pub(crate) fn take(&self) -> Option<Bytes> {
        if self.0.state.load(Ordering::Acquire) & WAITING == 0 {
            return None;
        }
        let mut waiting = self.0.waiting();
        self.0.state.fetch_and(!WAITING, Ordering::AcqRel);
        let taken = std::mem::take(&mut *waiting);
        drop(waiting);
        self.0.task.wake();
        Some(taken.into())
    }
}

impl Interim {
    /// One for where there are none.
    #[must_use]
    pub fn none() -> Self {
        Self(To::Nobody)
    }

    /// One for where a request is served in some other way: `send` gets what may be handed on, and says whether it is.
    ///
    /// ```
    /// use http::{HeaderMap, StatusCode};
    /// use reveille_http1::Interim;
    ///
    /// let interim = Interim::through(|status, _headers| status == StatusCode::EARLY_HINTS);
    /// assert!(interim.send(StatusCode::EARLY_HINTS, &HeaderMap::new()));
    /// assert!(!interim.send(StatusCode::PROCESSING, &HeaderMap::new()));
    /// assert!(!interim.send(StatusCode::CONTINUE, &HeaderMap::new()), "that is no server's to hand on");
    /// ```
    #[must_use]
    pub fn through(send: impl Fn(StatusCode, HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        Self(To::Elsewhere(Arc::new(send)))
    }

    /// Sends one. What it says of a body or of its connection is left out.
    ///
    /// False where it is dropped: its request is answered already, its client knows of no such answers, more than
    /// 16 KiB would wait for it, or the status is none that a server may hand on (1xx but for 100 and 101, which are
    /// the connection's own).
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let is_own = matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS);
        if !status.is_informational() || is_own {
            return false;
        }
        match &self.0 {
            To::Nobody => false,
            To::Connection(interims, state) => interims.0.hand_over(*state, &written(status, headers)),
            To::Elsewhere(send) => send(status, said(headers).map(owned).collect()),
        }
    }
}

impl fmt::Debug for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Connection(..) => f.write_str("Connection"),
            Self::Elsewhere(_) => f.write_str("Elsewhere"),
        }
    }
}

/// What of these headers is said.
fn said(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    headers.iter().filter(|(name, _)| !LEFT_OUT.contains(name))
}

fn owned((name, value): (&HeaderName, &HeaderValue)) -> (HeaderName, HeaderValue) {
    (name.clone(), value.clone())
}

fn written(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    let reason = status.canonical_reason().unwrap_or_default();
    write_status_line(status, reason.as_bytes(), &mut out);
    for (name, value) in said(headers) {
        write_line(name.as_str(), value.as_bytes(), &mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

impl Shared {
    fn hand_over(&self, serving: u64, bytes: &[u8]) -> bool {
        let mut waiting = self.waiting();
        let before = if waiting.is_empty() { serving } else { serving | WAITING };
        if waiting.len() + bytes.len() > MOST {
            return false;
        }
        // Once it waits, serving does not end before it is taken; and it is not taken while this lock is held.
        let noted =
            self.state.compare_exchange(before, serving | WAITING, Ordering::AcqRel, Ordering::Acquire);
        if noted.is_err() {
            return false;
        }
        waiting.extend_from_slice(bytes);
        drop(waiting);
        self.task.wake();
        true
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request while it is being served.
pub(crate) struct Turn<'a> {
    shared: &'a Shared,
    state: u64,
}

impl Turn<'_> {
    /// Wakes this task when something is to be written.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.shared.task.register(cx.waker());
    }

    /// Ends it; pending: something waits to be written.
    pub(crate) fn poll_end(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.end() {
            return Poll::Ready(());
        }
        self.watch(cx);
        if self.end() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn end(&mut self) -> bool {
        let next = (self.state & !SERVING).wrapping_add(TURN);
        let ended = self.shared.state.compare_exchange(self.state, next, Ordering::AcqRel, Ordering::Acquire);
        if ended.is_ok() {
            self.state = next;
        }
        ended.is_ok()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Of a request that is given up nothing more is said.
        while self.state & SERVING != 0 && !self.end() {
            let mut waiting = self.shared.waiting();
            waiting.clear();
            self.shared.state.fetch_and(!WAITING, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests;
