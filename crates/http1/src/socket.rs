//! A client's connection below an HTTP library.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Interims, Lingering, Readable};

/// A client's connection, whoever serves it: [`Plain`](crate::Plain), or an HTTP library.
///
/// What was put back is read again, interim answers go out between others, and it closes politely.
///
/// ```
/// use bytes::BytesMut;
/// use reveille_http1::Socket;
/// use tokio::io::AsyncReadExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (client, server) = tokio::io::duplex(64);
/// let mut socket = Socket::new(server);
/// socket.put_back(BytesMut::from("what has come already"));
/// drop(client);
/// let mut read = String::new();
/// socket.read_to_string(&mut read).await?;
/// assert_eq!(read, "what has come already");
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket<S> {
    stream: Lingering<S>,
    /// What came of it already, and is read again.
    again: BytesMut,
    interims: Interims,
    /// An interim answer that is being written: to its end, whatever else is.
    begun: Bytes,
}

impl<S> Socket<S> {
    /// One of which nothing has been read.
    pub fn new(stream: S) -> Self {
        let interims = Interims::default();
        Self { stream: Lingering::new(stream), again: BytesMut::new(), interims, begun: Bytes::new() }
    }

    /// Has this read before everything that comes yet.
    pub fn put_back(&mut self, came: BytesMut) {
        self.again = came;
    }

    /// The interim answers on it.
    pub fn interims(&self) -> Interims {
        self.interims.clone()
    }

    /// What it reads and writes.
    pub fn get_ref(&self) -> &S {
        self.stream.get_ref()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Writes the rest of an interim answer.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.begun.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.begun))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.begun.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Readable> Readable for Socket<S> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.again.is_empty() { self.stream.poll_readable(cx) } else { Poll::Ready(Ok(())) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.again.is_empty() {
            let length = self.again.len().min(buffer.remaining());
            buffer.put_slice(&self.again.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_begun(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_begun(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_begun(cx))?;
        // Whoever writes has nothing more to write now, so that others may.
        while let Some(taken) = self.interims.take() {
            self.begun = taken;
            ready!(self.poll_begun(cx))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
