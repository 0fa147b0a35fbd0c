//! Connections that have changed over to another protocol, such as WebSocket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use reveille::Tunnel;
use reveille_http2::Change;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::passage::Telling;

/// How much is read of one side before the other has taken it, in bytes.
const BUFFER: usize = 16 * 1024;

/// Joins the client's connection with the platform's when both have changed over, until one ends or `cut` is.
pub(crate) fn open(
    tunnels: &TaskTracker,
    cut: CancellationToken,
    client: Change,
    platform: impl Future<Output = io::Result<Tunnel>> + Send + 'static,
    telling: Option<Arc<Telling>>,
    keep: impl Send + 'static,
) {
    tunnels.spawn(async move {
        let joined = async {
            let (client, platform) = tokio::try_join!(client.changed(), platform)?;
            let telling = telling.as_deref();
            let mut client = Counted { io: client, telling, count: Telling::sent };
            let mut platform = Counted { io: platform, telling, count: Telling::received };
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut platform, BUFFER, BUFFER).await
        };
        tokio::select! {
            joined = joined => if let Err(error) = joined {
                tracing::debug!(%error, "a tunnel broke");
            },
            () = cut.cancelled() => {}
        }
        drop(keep);
    });
}

/// Counts what is read.
struct Counted<'a, T> {
    io: T,
    telling: Option<&'a Telling>,
    count: fn(&Telling, usize),
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if let Some(telling) = self.telling {
            (self.count)(telling, buffer.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
