//! Connections that have switched to another protocol, such as WebSocket.

use std::io;

use axum::body::Body;
use http::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use reveille_http2::{Change, Changed};
use tokio::io::AsyncRead;
use tokio_util::io::InspectReader;

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
    let mut client = counted(client, |bytes| crossing.sent(bytes));
    let mut agent = counted(TokioIo::new(agent), |bytes| crossing.received(bytes));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut agent).await {
        tracing::debug!(%error, "a tunnel broke");
    }
}

/// Counts what is read as activity; an end is none.
fn counted<T: AsyncRead>(io: T, count: impl Fn(usize)) -> InspectReader<T, impl FnMut(&[u8])> {
    InspectReader::new(io, move |read| {
        if !read.is_empty() {
            count(read.len());
        }
    })
}
