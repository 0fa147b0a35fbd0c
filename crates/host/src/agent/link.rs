//! The bytes of one connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// A connection's bytes, both ways.
///
/// Who answers early and closes breaks off what is still being written to it, while its answer waits to be read.
/// So a write that fails ends nothing: what follows is dropped, and what is read decides how the exchange ended.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    written: Written,
    write_side: WriteSide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    Broken,
}

/// How many bytes the system has taken for one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<AtomicU64>);

impl Written {
    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Link {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, written: Written::default(), write_side: WriteSide::Open }
    }

    pub(super) fn written(&self) -> Written {
        self.written.clone()
    }

    /// What a write came to, where it failed as if it had not.
    fn took(&mut self, result: io::Result<usize>, offered: usize) -> io::Result<usize> {
        match result {
            Ok(bytes) => {
                self.written.add(bytes);
                Ok(bytes)
            }
            Err(error) => {
                tracing::debug!(%error, "the other side takes no more");
                self.write_side = WriteSide::Broken;
                Ok(offered)
            }
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_side == WriteSide::Broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        result.map(|result| self.took(result, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        if self.write_side == WriteSide::Broken {
            return Poll::Ready(Ok(offered));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        result.map(|result| self.took(result, offered))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets keep nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_it_closed_is_read_although_writing_fails() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut link = Link::new(Stream::Left(ours));
        link.write_all(b"request").await.unwrap();
        theirs.write_all(b"answer").await.unwrap();
        // Closed with the request unread: to a unix socket that is a reset.
        drop(theirs);
        link.write_all(b"more").await.unwrap();
        link.write_all(b"and more").await.unwrap();
        let mut said = [0; 6];
        link.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"answer");
        assert_eq!(link.written().so_far(), 7, "what nobody took is not counted");
    }
}
