//! Connections that have switched to another protocol, such as WebSocket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use http::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use reveille_http2::{Change, Changed};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::crossing::Crossing;
use crate::agent::Answer;

/// Joins the client's side with the agent's when both have switched. Returned is what is left to tell the client.
pub(super) fn open(mut response: Response<Answer>, client: Change, crossing: Crossing) -> Response<Body> {
    let agent = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let joined = tokio::try_join!(client.changed(), async { agent.await.map_err(io::Error::other) });
        match joined {
            Ok((client, agent)) => join(client, agent, &crossing).await,
            Err(error) => tracing::debug!(%error, "a connection was not switched"),
        }
    });
    response.map(|_| Body::empty())
}

async fn join(client: Changed, agent: Upgraded, crossing: &Crossing) {
    let mut client = Counted { io: client, count: |bytes| crossing.sent(bytes) };
    let mut agent = Counted { io: TokioIo::new(agent), count: |bytes| crossing.received(bytes) };
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut agent).await {
        tracing::debug!(%error, "a tunnel broke");
    }
}

/// Counts what is read as activity.
struct Counted<T, F> {
    io: T,
    count: F,
}

impl<T: AsyncRead + Unpin, F: Fn(usize) + Unpin> AsyncRead for Counted<T, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        if read > 0 {
            (self.count)(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Counted<T, F> {
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
