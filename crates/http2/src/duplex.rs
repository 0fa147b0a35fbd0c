//! A stream that has changed over to another protocol.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::outgoing::poll_room;

/// The bytes of a stream. Dropped before it is shut down it resets the stream.
#[derive(Debug)]
pub struct Duplex {
    receive: RecvStream,
    /// What came and is not read yet.
    came: Bytes,
    send: SendStream<Bytes>,
    is_shut: bool,
    /// Dropped with it, which tells whoever has made it.
    _lasts: oneshot::Sender<Infallible>,
}

impl Duplex {
    /// One, and what comes to an end with it.
    pub(crate) fn new(receive: RecvStream, send: SendStream<Bytes>) -> (Self, oneshot::Receiver<Infallible>) {
        let (lasts, over) = oneshot::channel();
        (Self { receive, came: Bytes::new(), send, is_shut: false, _lasts: lasts }, over)
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.came.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(came) => self.came = came.map_err(broken)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.came.len().min(buffer.remaining());
        buffer.put_slice(&self.came[..length]);
        self.came.advance(length);
        // A stream that has ended meanwhile needs no room.
        let _ = self.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(poll_room(&mut self.send, cx)).map_err(broken)?;
        self.send.send_data(Bytes::copy_from_slice(bytes), false).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            self.is_shut = true;
            self.send.send_data(Bytes::new(), true).map_err(broken)?;
        }
        Poll::Ready(Ok(()))
    }
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::BrokenPipe };
    io::Error::new(kind, error)
}
