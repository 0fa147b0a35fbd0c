//! A connection that closes without taking its last answer back.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::listener::Stream;

/// How long a connection that is done waits for what still comes.
const SILENT: Duration = Duration::from_secs(2);
/// How long it waits at the most, whatever comes.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a connection has answered a request that it has not read to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// It has: whoever sent the request may still be sending.
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection's bytes. Where something was left unread it ends its own side first and reads on for a while: closed
/// at once, the system would reset it, and the answer might be lost.
#[derive(Debug)]
pub(crate) struct Lingering {
    stream: Stream,
    unread: Unread,
    closing: Option<Closing>,
}

#[derive(Debug)]
struct Closing {
    silence: Pin<Box<Sleep>>,
    end: Instant,
}

impl Closing {
    fn begin() -> Self {
        let now = Instant::now();
        Self { silence: Box::pin(tokio::time::sleep_until(now + SILENT)), end: now + LONGEST }
    }

    fn heard(&mut self) {
        let next = (Instant::now() + SILENT).min(self.end);
        self.silence.as_mut().reset(next);
    }
}

impl Lingering {
    pub(crate) fn new(stream: Stream, unread: Unread) -> Self {
        Self { stream, unread, closing: None }
    }

    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closing = self.closing.get_or_insert_with(Closing::begin);
        if closing.silence.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [MaybeUninit::uninit(); 64 * 1024];
        // Bounded, so that a fast client does not keep this thread.
        for _ in 0..16 {
            let mut buffer = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => closing.heard(),
                Poll::Ready(_) => return Poll::Ready(()),
                // The timer was set anew, and tells nobody unless it is asked.
                Poll::Pending => return closing.silence.as_mut().poll(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if !self.unread.is_noted() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
    }
}

/// The body of a request, which says when it has been read to its end.
pub(crate) struct Received {
    body: Incoming,
    ended: Arc<AtomicBool>,
}

impl Received {
    pub(crate) fn new(body: Incoming) -> (Self, Arc<AtomicBool>) {
        let ended = Arc::new(AtomicBool::new(false));
        (Self { body, ended: Arc::clone(&ended) }, ended)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let is_over = match &frame {
            None => true,
            Some(Ok(_)) => self.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if is_over {
            self.ended.store(true, Ordering::Release);
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
