//! What arrived at the server: requests, connections, cancellations.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// How many arrivals are kept; the oldest go first. All of them are counted.
const KEPT: usize = 100_000;

/// One request, as the server saw it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Arrival {
    /// The number of this request, from 1, in the order in which the heads arrived.
    pub sequence: u64,
    /// The number of the connection it came on, from 1.
    pub connection: u64,
    /// The protocol it was sent with.
    pub protocol: Protocol,
    /// The stream of HTTP/2 it came on.
    pub stream: Option<u32>,
    /// The method, as it was sent.
    pub method: String,
    /// Path and query, as they were sent; the authority for a `CONNECT`.
    pub target: String,
    /// The headers in their order, pseudo-headers of HTTP/2 included.
    pub headers: Vec<(String, Bytes)>,
    /// What arrived of the body.
    pub body: ReceivedBody,
    /// When the head arrived, since the server began.
    pub at: Duration,
    /// What the script did to it, in words: `503`, `reset after the request`.
    pub treatment: String,
    /// Whether the client gave up (by `RST_STREAM` or by ending the connection) before the server
    /// was done with it.
    pub cancelled: bool,
    concluded: bool,
}

/// The two protocols that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, begun with its preface.
    Http2,
}

/// What is known of a request's body; the bytes themselves are not kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedBody {
    /// The number of bytes that were read.
    pub length: u64,
    /// The SHA-256 of the bytes that were read, in lower-case hex.
    pub sha256: String,
    /// Whether that was all of it.
    pub state: BodyState,
}

/// Whether a body arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// It is being read; length and digest are not known yet.
    Arriving,
    /// All of it was read.
    Complete,
    /// It was not read to its end: the script did not want it or the client went away.
    Partial,
}

/// The counters of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests whose head arrived.
    pub arrivals: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Exchanges that the client gave up, over either protocol.
    pub cancelled: u64,
    /// `RST_STREAM` frames received.
    pub stream_resets: u64,
}

impl Arrival {
    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first value of this header, if it is there and readable as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} → {} ({} B, connection {}, {} ms)",
            self.protocol,
            self.method,
            self.target,
            self.treatment,
            self.body.length,
            self.connection,
            self.at.as_millis()
        )
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        })
    }
}

/// Everything seen so far, shared by the connections and by whoever watches.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) kept: VecDeque<Arrival>,
    pub(crate) counts: Counts,
}

/// The head of a request, before it has a number.
pub(crate) struct Head {
    pub(crate) protocol: Protocol,
    pub(crate) stream: Option<u32>,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Bytes)>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), state: Mutex::default(), changed: watch::Sender::new(0) }
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.read());
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
        value
    }

    fn change_arrival(&self, sequence: u64, change: impl FnOnce(&mut Arrival, &mut Counts)) {
        self.change(|state| {
            let State { kept, counts } = state;
            let first = kept.front().map_or(0, |arrival| arrival.sequence);
            let index = sequence.checked_sub(first).and_then(|index| usize::try_from(index).ok());
            if let Some(arrival) = index.and_then(|index| kept.get_mut(index)) {
                change(arrival, counts);
            }
        });
    }

    pub(crate) fn connected(self: &Arc<Self>) -> OpenConnection {
        let number = self.change(|state| {
            state.counts.connections += 1;
            state.counts.open += 1;
            state.counts.connections
        });
        OpenConnection { log: Arc::clone(self), number }
    }

    pub(crate) fn stream_reset(&self) {
        self.change(|state| state.counts.stream_resets += 1);
    }

    /// Records a request that arrived at this moment; its body is accounted for by the receipt.
    pub(crate) fn arrive(
        self: &Arc<Self>,
        connection: u64,
        head: Head,
        treatment: String,
        now: Instant,
    ) -> (Exchange, Receipt) {
        let at = now.saturating_duration_since(self.began);
        let sequence = self.change(|state| {
            state.counts.arrivals += 1;
            let sequence = state.counts.arrivals;
            if state.kept.len() == KEPT {
                state.kept.pop_front();
            }
            let Head { protocol, stream, method, target, headers } = head;
            state.kept.push_back(Arrival {
                sequence,
                connection,
                protocol,
                stream,
                method,
                target,
                headers,
                body: ReceivedBody { length: 0, sha256: String::new(), state: BodyState::Arriving },
                at,
                treatment,
                cancelled: false,
                concluded: false,
            });
            sequence
        });
        let exchange = Exchange { log: Arc::clone(self), sequence };
        let receipt = Receipt { log: Arc::clone(self), sequence, length: 0, digest: Some(Sha256::new()) };
        (exchange, receipt)
    }
}

/// One connection, counted as open while this lives.
pub(crate) struct OpenConnection {
    log: Arc<Log>,
    pub(crate) number: u64,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.log.change(|state| state.counts.open = state.counts.open.saturating_sub(1));
    }
}

/// One request being dealt with.
#[derive(Clone)]
pub(crate) struct Exchange {
    log: Arc<Log>,
    sequence: u64,
}

impl Exchange {
    /// The server has done its part; what the client does from here on cancels nothing.
    pub(crate) fn conclude(&self) {
        self.log.change_arrival(self.sequence, |arrival, _| arrival.concluded = true);
    }

    /// The client gave up.
    pub(crate) fn cancel(&self) {
        self.log.change_arrival(self.sequence, |arrival, counts| {
            if !arrival.concluded && !arrival.cancelled {
                arrival.cancelled = true;
                counts.cancelled += 1;
            }
        });
    }
}

/// Counts and digests the body of one request while it passes by.
pub(crate) struct Receipt {
    log: Arc<Log>,
    sequence: u64,
    length: u64,
    digest: Option<Sha256>,
}

impl Receipt {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
            self.length += bytes.len() as u64;
        }
    }

    pub(crate) fn complete(&mut self) {
        self.settle(BodyState::Complete);
    }

    /// No more of the body will be read.
    pub(crate) fn abandon(&mut self) {
        self.settle(BodyState::Partial);
    }

    fn settle(&mut self, state: BodyState) {
        let Some(digest) = self.digest.take() else { return };
        let sha256 = digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let body = ReceivedBody { length: self.length, sha256, state };
        self.log.change_arrival(self.sequence, |arrival, _| arrival.body = body);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.abandon();
    }
}
