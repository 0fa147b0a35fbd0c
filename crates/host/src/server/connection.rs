//! One client's connection, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use reveille_http1::{Course, Last, Plain};
use reveille_wire::hop;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::crowd::Held;
use super::front::Front;
use super::received::Exchange;
use super::socket::{Reset, Socket};
use crate::gateway::{H2_WINDOW, Visitor};

/// The largest list of headers of an HTTP/2 request, in bytes.
const MAX_HEADER_LIST: u32 = hop::MAX_HEAD as u32;
/// How many requests an HTTP/2 connection carries at a time.
const MAX_STREAMS: u32 = 256;

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
            Box::pin(visit.by_library(socket, came, &visitor, &reset, pin!(ends))).await;
        }
        Course::Otherwise(socket, came) => {
            // Apart, so that the others do not carry its room about.
            Box::pin(visit.by_library(socket, came, &visitor, &reset, ends)).await;
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

    async fn by_library(
        &self,
        mut socket: Socket,
        came: BytesMut,
        visitor: &Arc<Visitor>,
        reset: &Reset,
        ends: Pin<&mut impl Future<Output = End>>,
    ) {
        let first = Arc::new(Notify::new());
        let interims = socket.interims();
        let begun = socket.hand_over(came);
        let service = service_fn({
            let first = Arc::clone(&first);
            move |request: Request<Incoming>| {
                begun.note();
                first.notify_one();
                let (front, reset, seat) =
                    (Arc::clone(&self.front), reset.clone(), Arc::clone(self.held.seat()));
                let (visitor, interims) = (Arc::clone(visitor), interims.clone());
                async move {
                    let version = request.version();
                    let serving = front.serve(Exchange::begin(request), &visitor, &seat);
                    match interims.during(version, serving).await {
                        Some(response) => Ok::<_, Infallible>(response),
                        None => {
                            reset.ask();
                            std::future::pending().await
                        }
                    }
                }
            }
        });
        let server = server(self.head);
        let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(socket), service));
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
        let served = tokio::select! {
            biased;
            served = connection.as_mut() => served,
            end = ending => match end {
                End::Now => return,
                End::AfterThis => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        served = connection.as_mut() => served,
                        () = self.ends_now(reset) => return,
                    }
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(client = %self.client, error, "a connection broke");
        }
    }
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

fn server(head: Duration) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(hop::MAX_HEAD)
        .max_headers(hop::MAX_HEADERS)
        .half_close(false);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(H2_WINDOW)
        .initial_connection_window_size(H2_WINDOW)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}
