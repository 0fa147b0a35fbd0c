//! Requests that are whole when they are looked at: a head of HTTP/1.1, and a small body of a length.
//!
//! Nearly every request is that, and needs none of what an HTTP library must be ready for: no chunks from the client,
//! no change of protocol, no answer while it is still sending. They are read, served and answered one after the other
//! in the task of their connection. With the first one that is anything else, or is written in a way that leaves a
//! choice, the connection goes to the library, together with all that came of it.

mod answer;
mod date;
mod head;
mod patience;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use tokio_util::io::poll_read_buf;

use self::answer::{Afterwards, Answer};
use self::head::Otherwise;
use self::patience::Patience;
use super::answer::close;
use super::crowd::Seat;
use super::front::Front;
use super::received::Exchange;
use super::socket::{Reset, Socket};
use crate::gateway::Visitor;

/// The room for a request, in bytes.
const ROOM: usize = 4 * 1024;
/// How much a client may send ahead while its request is being served, in bytes.
const AHEAD: usize = 64 * 1024;

/// A connection while it carries nothing but such requests.
pub(super) struct Plain<'a> {
    pub(super) socket: Socket,
    pub(super) front: &'a Front,
    pub(super) visitor: &'a Visitor,
    pub(super) seat: &'a Arc<Seat>,
    pub(super) reset: &'a Reset,
    /// It is to end with the exchange that is under way.
    pub(super) is_last: &'a AtomicBool,
}

/// What becomes of the connection.
pub(super) enum Course {
    Over,
    /// What comes next is for the library, and so is what has come of it already.
    Otherwise(Socket, BytesMut),
}

/// The client has gone away.
struct Left;

impl Plain<'_> {
    /// Serves them, each of which must have come within this time.
    pub(super) async fn serve(mut self, head: Duration) -> Course {
        let mut came = BytesMut::new();
        let mut patience = Patience::new(head);
        let mut out = Vec::new();
        loop {
            let request = match self.next(&mut came, &mut patience).await {
                Ok(Some(request)) => request,
                Ok(None) => return Course::Over,
                Err(Otherwise) => return Course::Otherwise(self.socket, came),
            };
            match self.exchange(request, &mut came, &mut out).await {
                Ok(Afterwards::Stays) => {}
                Ok(Afterwards::Closes) => {
                    // Whoever has gone away meanwhile is not told.
                    let _ = poll_fn(|cx| self.socket.poll_close(cx)).await;
                    return Course::Over;
                }
                Err(Left) => return Course::Over,
            }
        }
    }

    /// The next request; `None`: the client has gone away, or has said nothing for too long.
    async fn next(
        &mut self,
        came: &mut BytesMut,
        patience: &mut Patience,
    ) -> Result<Option<Request<Bytes>>, Otherwise> {
        let (mut looked_at, mut waiting) = (0, None);
        patience.begin();
        poll_fn(|cx| {
            loop {
                if waiting.is_none() {
                    waiting = head::take(came, &mut looked_at)?;
                }
                if let Some(head) = waiting.take_if(|head| head.length <= came.len()) {
                    let body = came.split_to(head.length).freeze();
                    return Poll::Ready(Ok(Some(head.request.map(|()| body))));
                }
                let is_between = waiting.is_none() && came.is_empty();
                if is_between && self.is_last.load(Ordering::Relaxed) {
                    return Poll::Ready(Ok(None));
                }
                match self.poll_more(came, cx) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(Ok(None)),
                    Poll::Pending => break,
                }
            }
            ready!(patience.poll_over(cx));
            // The library has more patience with a body.
            let Some(head) = waiting.take() else { return Poll::Ready(Ok(None)) };
            head.put_back(came);
            Poll::Ready(Err(Otherwise))
        })
        .await
    }

    async fn exchange(
        &mut self,
        request: Request<Bytes>,
        came: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Afterwards, Left> {
        let method = request.method().clone();
        let mut served = pin!(self.front.serve(Exchange::whole(request), self.visitor, self.seat));
        let socket = &mut self.socket;
        let served = poll_fn(|cx| match served.as_mut().poll(cx) {
            Poll::Ready(served) => Poll::Ready(Ok(served)),
            Poll::Pending => poll_left(socket, came, cx).map(Err),
        });
        let Some(mut response) = served.await? else {
            self.reset.ask();
            return Err(Left);
        };
        if self.is_last.load(Ordering::Relaxed) {
            close(&mut response);
        }
        let mut answer = Answer::begin(response, &method, out);
        poll_fn(|cx| match answer.poll_write(&mut self.socket, cx) {
            Poll::Ready(written) => Poll::Ready(written.map_err(|error| {
                tracing::debug!(%error, "an answer was broken off");
                Left
            })),
            Poll::Pending => poll_left(&mut self.socket, came, cx).map(Err),
        })
        .await
    }

    /// More of what the client sends; `None`: it has ended.
    fn poll_more(&mut self, came: &mut BytesMut, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        came.reserve(ROOM);
        poll_read_buf(Pin::new(&mut self.socket), cx, came).map(some)
    }
}

/// Ready when the client has gone away. What it sends meanwhile is kept.
fn poll_left(socket: &mut Socket, came: &mut BytesMut, cx: &mut Context<'_>) -> Poll<Left> {
    while came.len() < AHEAD {
        // No room is made before there is something for it.
        if ready!(socket.poll_readable(cx)).is_err() {
            return Poll::Ready(Left);
        }
        came.reserve(ROOM);
        if ready!(poll_read_buf(Pin::new(&mut *socket), cx, came).map(some)).is_none() {
            return Poll::Ready(Left);
        }
    }
    Poll::Pending
}

fn some(read: io::Result<usize>) -> Option<usize> {
    read.ok().filter(|read| *read > 0)
}
