//! A connection's bytes, and how it ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::BytesMut;
use reveille_http1::{Interims, Readable};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::answer;

/// The reset of one connection: whoever serves it asks for it, whoever drives it carries it out.
#[derive(Debug, Clone, Default)]
pub(super) struct Reset {
    asked: CancellationToken,
    armed: Arc<AtomicBool>,
}

impl Reset {
    /// The connection shall end without an answer.
    pub(super) fn ask(&self) {
        self.armed.store(true, Ordering::Release);
        self.asked.cancel();
    }

    /// The answer, where there is one. Where there is none the connection shall end, and nothing comes of this.
    pub(super) async fn unless_answered<A>(&self, answer: Option<A>) -> A {
        if let Some(answer) = answer {
            return answer;
        }
        self.ask();
        std::future::pending().await
    }

    pub(super) async fn asked(&self) {
        self.asked.cancelled().await;
    }
}

/// Whether a request has begun on a connection. Until then the only answer there can be is one to a head that could
/// not be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(super) fn note(&self) {
        if !self.has() {
            self.0.store(true, Ordering::Release);
        }
    }

    fn has(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// An answer that is written instead of another one.
#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    written: usize,
}

/// A client's connection.
///
/// Closed with a reset where one was asked for, and politely otherwise.
#[derive(Debug)]
pub(super) struct Socket {
    stream: reveille_http1::Socket<TcpStream>,
    reset: Reset,
    /// Whether the library has begun a request on it; none: it serves nothing on it.
    begun: Option<Begun>,
    instead: Option<Instead>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, reset: Reset) -> Self {
        Self { stream: reveille_http1::Socket::new(stream), reset, begun: None, instead: None }
    }

    /// What is said on it before answers.
    pub(super) fn interims(&self) -> Interims {
        self.stream.interims()
    }

    /// Has this read once more.
    pub(super) fn put_back(&mut self, came: BytesMut) {
        self.stream.put_back(came);
    }

    /// Makes it one for the library, which reads once more what came of it.
    pub(super) fn hand_over(&mut self, came: BytesMut) -> Begun {
        self.stream.put_back(came);
        self.begun.insert(Begun::default()).clone()
    }

    /// Writes an answer in the platform's shape in place of `offered`, the bare one to a head that could not be read;
    /// nothing where it is no such answer.
    fn poll_write_instead(
        &mut self,
        cx: &mut Context<'_>,
        offered: &[u8],
        length: usize,
    ) -> Option<Poll<io::Result<usize>>> {
        if self.begun.as_ref().is_none_or(Begun::has) {
            return None;
        }
        if self.instead.is_none() {
            let bytes = answer::to_unreadable_head(offered)?;
            self.instead = Some(Instead { bytes, written: 0 });
        }
        let instead = self.instead.as_mut()?;
        while let Some(left) = instead.bytes.get(instead.written..).filter(|left| !left.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, left) {
                Poll::Ready(Ok(written)) => instead.written += written,
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        }
        Some(Poll::Ready(Ok(length)))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.reset.armed.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.stream.get_ref().set_zero_linger() {
            tracing::debug!(%error, "a connection was closed instead of reset");
        }
    }
}

impl Readable for Socket {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_readable(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = self.poll_write_instead(cx, bytes, bytes.len()) {
            return written;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        let offered = slices.first().map(|slice| &slice[..]).unwrap_or_default();
        if let Some(written) = self.poll_write_instead(cx, offered, length) {
            return written;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
