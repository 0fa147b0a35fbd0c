//! What moves a connection.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::Line;
use crate::watched::{Seen, Watched};

/// How long a connection may bring nothing while exchanges are under way, before it is asked by a PING whether it lives,
/// and how long it may be silent then. One that was idle for longer is asked as soon as it is used.
const PING: Duration = Duration::from_secs(5);

/// Moves a connection until it ends, which is its output.
pub struct Driver<S> {
    connection: Connection<Watched<S>, Bytes>,
    pings: Option<PingPong>,
    seen: Arc<Seen>,
    line: Weak<Line>,
    /// Ends when nobody sends requests any more; none: that is known.
    over: Option<oneshot::Receiver<Infallible>>,
    heard_at: Instant,
    is_asked: bool,
    /// Set while exchanges are under way.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(super) fn new(
        mut connection: Connection<Watched<S>, Bytes>,
        seen: Arc<Seen>,
        line: &Arc<Line>,
        over: oneshot::Receiver<Infallible>,
    ) -> Self {
        let (pings, line) = (connection.ping_pong(), Arc::downgrade(line));
        let (over, heard_at) = (Some(over), Instant::now());
        Self { connection, pings, seen, line, over, heard_at, is_asked: false, timer: None }
    }

    /// How many requests the server takes at a time, as far as it has said.
    pub fn most_streams(&self) -> usize {
        self.connection.max_concurrent_send_streams()
    }

    /// Ready when the server has not been there for too long.
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.seen.take_heard() {
            self.heard_at = Instant::now();
            self.is_asked = false;
        }
        let Some(line) = self.line.upgrade().filter(|line| line.is_open()) else {
            (self.timer, self.is_asked) = (None, false);
            return Poll::Pending;
        };
        let end = self.heard_at + PING;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        while timer.as_mut().poll(cx).is_ready() {
            let (now, end) = (Instant::now(), self.heard_at + PING);
            if now < end {
                // It has brought something since the timer was set.
                timer.as_mut().reset(end);
                continue;
            }
            if self.is_asked {
                line.is_silent.store(true, Ordering::Release);
                return Poll::Ready(());
            }
            self.is_asked = true;
            timer.as_mut().reset(now + PING);
            if let Some(pings) = &mut self.pings {
                // An answer to the one before makes room for the next one.
                let _ = pings.poll_pong(cx);
                let _ = pings.send_ping(Ping::opaque());
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(over) = &mut self.over
            && Pin::new(over).poll(cx).is_ready()
        {
            // The library does not look by itself whether anybody is left.
            self.over = None;
        }
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
            return Poll::Ready(ended);
        }
        self.poll_silent(cx).map(Ok)
    }
}

impl<S> fmt::Debug for Driver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
