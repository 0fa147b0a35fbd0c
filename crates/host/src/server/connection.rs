//! One client's connection, HTTP/1.1 or HTTP/2.

mod by_library;
mod over_http2;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use reveille_http1::{Course, Last, Plain};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::crowd::Held;
use super::front::Front;
use super::received::Exchange;
use super::socket::{Reset, Socket};
use crate::gateway::Visitor;

/// A client's visit: its place, and what it gets.
pub(super) struct Visit {
    pub(super) client: SocketAddr,
    pub(super) held: Held,
    pub(super) front: Arc<Front>,
    pub(super) head: Duration,
    pub(super) stop: CancellationToken,
    pub(super) cut: CancellationToken,
}

/// Serves one connection to its end: requests that are whole by ourselves, and from the first other one on by the
/// library.
pub(super) async fn serve(stream: TcpStream, visit: Visit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays small writes");
    }
    let reset = Reset::default();
    let socket = Socket::new(stream, reset.clone());
    let interims = socket.interims();
    let visitor = Arc::new(Visitor::new(visit.client, interims.clone()));
    let mut ends = pin!(when_woken(visit.ends(&reset)));
    let last = Last::default();
    let serve = |request| visit.front.serve(Exchange::whole(request), &visitor, visit.held.seat());
    let mut plain = pin!(Plain { socket, within: visit.head, last: &last, interims: &interims }.serve(serve));
    let course = tokio::select! {
        biased;
        // First, so that an answer that is ready at the same time says that it is the last.
        end = ends.as_mut() => match end {
            End::Now => return,
            End::AfterThis => {
                last.set();
                tokio::select! {
                    biased;
                    course = plain.as_mut() => course,
                    () = visit.ends_now(&reset) => return,
                }
            }
        },
        course = plain.as_mut() => course,
    };
    match course {
        Course::Over => {}
        Course::Unanswered(socket) => {
            reset.ask();
            drop(socket);
        }
        Course::Otherwise(socket, came) if last.is_set() => {
            // What has come of it is served like anybody's who comes while the host stops.
            let ends = visit.ends_now(&reset).map(|()| End::Now);
            Box::pin(visit.otherwise(socket, came, &visitor, &reset, pin!(ends))).await;
        }
        Course::Otherwise(socket, came) => {
            // Apart, so that the others do not carry its room about.
            Box::pin(visit.otherwise(socket, came, &visitor, &reset, ends)).await;
        }
    }
}

impl Visit {
    /// How the connection ends where it does not do so by itself.
    async fn ends(&self, reset: &Reset) -> End {
        // Who comes while the host stops is served like anybody else: with a refusal, after which its connection ends.
        let stopping = async {
            if self.stop.is_cancelled() {
                std::future::pending::<()>().await;
            }
            self.stop.cancelled().await;
        };
        tokio::select! {
            () = reset.asked() => End::Now,
            () = self.held.sent_away() => End::Now,
            () = self.cut.cancelled() => End::Now,
            () = stopping => End::AfterThis,
        }
    }

    /// When a connection ends of which it is known already that it does so with the exchange that is under way.
    async fn ends_now(&self, reset: &Reset) {
        tokio::select! {
            () = reset.asked() => {}
            () = self.cut.cancelled() => {}
        }
    }

    /// Serves a connection that carries more than whole requests of HTTP/1.1.
    async fn otherwise(
        &self,
        mut socket: Socket,
        mut came: BytesMut,
        visitor: &Arc<Visitor>,
        reset: &Reset,
        ends: Pin<&mut impl Future<Output = End>>,
    ) {
        let (first, last) = (Arc::new(Notify::new()), Last::default());
        let mut connection = pin!(async {
            let is_http2 = unless(&last, reveille_http2::is_spoken(&mut socket, &mut came)).await;
            let course = Otherwise { visit: self, visitor, reset, first: &first, last: &last };
            match is_http2 {
                Some(Ok(true)) => course.over_http2(socket, came).await,
                Some(Ok(false)) => course.by_library(socket, came).await,
                // It broke, or is to end before it says what it is.
                Some(Err(_)) | None => {}
            }
        });
        let silent = when_woken(async {
            // A connection that never says what it wants is not kept for long.
            if tokio::time::timeout(self.head, first.notified()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        });
        let ending = async {
            tokio::select! {
                () = silent => End::Now,
                end = ends => end,
            }
        };
        tokio::select! {
            biased;
            () = connection.as_mut() => {}
            end = ending => match end {
                End::Now => {}
                End::AfterThis => {
                    last.set();
                    tokio::select! {
                        () = connection.as_mut() => {}
                        () = self.ends_now(reset) => {}
                    }
                }
            }
        }
    }
}

/// A connection that carries more than whole requests of HTTP/1.1.
struct Otherwise<'a> {
    visit: &'a Visit,
    visitor: &'a Arc<Visitor>,
    reset: &'a Reset,
    /// Told of its first request.
    first: &'a Arc<Notify>,
    /// Whether it ends with what is under way.
    last: &'a Last,
}

/// How a connection ends that does not do so by itself.
enum End {
    Now,
    /// With the exchange that is under way.
    AfterThis,
}

/// Polls a future only when something has woken it, and not whenever the task around it moves.
async fn when_woken<F: Future>(future: F) -> F::Output {
    let mut waiting = FuturesUnordered::from_iter([future]);
    match waiting.next().await {
        Some(done) => done,
        None => std::future::pending().await,
    }
}

/// What a future brings, unless its connection is to end before that. It is looked at when the task is woken.
async fn unless<F: Future>(last: &Last, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if last.is_set() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
