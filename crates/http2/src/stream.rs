//! One request on its stream.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{Method, Response};
use http_body::Body;
use tokio::sync::oneshot;

use crate::Duplex;
use crate::answer::{self, NotBegun};
use crate::outgoing::BoxError;
use crate::said::Said;

/// Where an answer goes.
pub(crate) struct Stream {
    pub(crate) method: Method,
    pub(crate) respond: SendResponse<Bytes>,
    pub(crate) said: Said,
    pub(crate) change: Option<Changing>,
}

/// A stream that is asked to change over to another protocol.
pub(crate) struct Changing {
    pub(crate) receive: RecvStream,
    pub(crate) make: oneshot::Sender<Duplex>,
}

impl Stream {
    /// Waits for the answer of whoever serves the request, and sends it. A client that does not want it any more ends
    /// both.
    pub(crate) async fn serve<B>(mut self, serving: impl Future<Output = Response<B>>)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let mut serving = pin!(serving);
        let response = poll_fn(|cx| {
            if let Poll::Ready(response) = serving.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            if self.respond.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            self.said.send(cx, &mut self.respond);
            Poll::Pending
        });
        let Some(response) = response.await else { return };
        self.said.end(&mut self.respond);
        let sent = match self.change.take() {
            Some(change) if response.status().is_success() && !change.make.is_closed() => {
                self.change(response, change).await
            }
            _ => answer::send(response, &self.method, &mut self.respond).await,
        };
        if let Err(not_begun) = sent {
            match not_begun {
                NotBegun::Unwanted(error) => tracing::debug!(%error, "an answer is not wanted any more"),
                NotBegun::NoAnswer => tracing::debug!("an answer says what none can"),
            }
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Has the stream change over. What the answer keeps lasts as long as the stream does.
    async fn change<B>(&mut self, response: Response<B>, change: Changing) -> Result<(), NotBegun> {
        let (mut head, _kept) = response.into_parts();
        head.headers.remove(CONTENT_LENGTH);
        answer::finish_head(&mut head.headers);
        let send = self.respond.send_response(Response::from_parts(head, ()), false)?;
        let (duplex, over) = Duplex::new(change.receive, send);
        // Dropped where nobody waits for it any more, which resets the stream.
        drop(change.make.send(duplex));
        let _ = over.await;
        Ok(())
    }
}
