//! One client's connection, HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use reveille_wire::hop;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::crowd::Held;
use super::front::Front;
use super::socket::{Begun, Reset, Socket};
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

/// Serves one connection to its end.
pub(super) async fn serve(stream: std::net::TcpStream, visit: Visit) {
    let Visit { client, held, front, head, stop, cut } = visit;
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a connection could not be served"),
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays small writes");
    }
    let reset = Reset::default();
    let (first, begun) = (Arc::new(Notify::new()), Begun::default());
    let io = TokioIo::new(Socket::new(stream, reset.clone(), begun.clone()));
    let visitor = Arc::new(Visitor::new(client));
    let service = service_fn({
        let (reset, first, seat) = (reset.clone(), Arc::clone(&first), Arc::clone(held.seat()));
        move |request| {
            begun.note();
            first.notify_one();
            let (front, reset, seat) = (Arc::clone(&front), reset.clone(), Arc::clone(&seat));
            let visitor = Arc::clone(&visitor);
            async move {
                match front.serve(request, &visitor, &seat).await {
                    Some(response) => Ok::<_, std::convert::Infallible>(response),
                    None => {
                        reset.ask();
                        std::future::pending().await
                    }
                }
            }
        }
    });
    let server = server(head);
    let connection = server.serve_connection_with_upgrades(io, service);
    tokio::pin!(connection);
    let silent = async {
        // A connection that never says what it wants is not kept for long.
        if tokio::time::timeout(head, first.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    // Who comes while the host stops is served like anybody else: with a refusal, after which its connection ends.
    let stopping = async {
        if stop.is_cancelled() {
            std::future::pending::<()>().await;
        }
        stop.cancelled().await;
    };
    let ends = async {
        tokio::select! {
            () = reset.asked() => End::Now,
            () = held.sent_away() => End::Now,
            () = silent => End::Now,
            () = cut.cancelled() => End::Now,
            () = stopping => End::AfterThis,
        }
    };
    let ends_now = async {
        tokio::select! {
            () = reset.asked() => {}
            () = cut.cancelled() => {}
        }
    };
    let served = tokio::select! {
        biased;
        served = connection.as_mut() => served,
        end = when_woken(ends) => match end {
            End::Now => return,
            End::AfterThis => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = ends_now => return,
                }
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%client, error, "a connection broke");
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
