use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection to a server whose answer is read although it takes no more of the request.
///
/// Who answers early and closes breaks off what is still being written to it. So a write that fails ends nothing:
/// what follows is dropped, and what is read decides.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    write_side: WriteSide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteSide {
    Open,
    Broken,
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, write_side: WriteSide::Open }
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
        if self.write_side == WriteSide::Open {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(taken) => return Poll::Ready(Ok(taken)),
                Err(error) => {
                    tracing::debug!(%error, "a server takes no more of a request");
                    self.write_side = WriteSide::Broken;
                }
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
