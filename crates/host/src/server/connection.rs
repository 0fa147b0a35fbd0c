//! One client's connection, HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::front::Front;
use super::socket::{Reset, Socket};

/// The largest head of an HTTP/1.1 request, with the longest path that a client of ours sends, in bytes.
const MAX_HEAD: usize = 128 * 1024;
/// The most headers of a request.
const MAX_HEADERS: usize = 200;
/// The largest list of headers of an HTTP/2 request, in bytes.
const MAX_HEADER_LIST: u32 = 128 * 1024;
/// How many requests an HTTP/2 connection carries at a time.
const MAX_STREAMS: u32 = 256;

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    front: Arc<Front>,
    head: Duration,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays small writes");
    }
    let reset = Reset::default();
    let first = Arc::new(Notify::new());
    let io = TokioIo::new(Socket::new(stream, reset.clone()));
    let service = service_fn({
        let (reset, first) = (reset.clone(), Arc::clone(&first));
        move |request| {
            first.notify_one();
            let (front, reset) = (Arc::clone(&front), reset.clone());
            async move {
                match front.serve(request, client).await {
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
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = reset.asked() => return,
        () = silent => return,
        () = cut.cancelled() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                () = reset.asked() => return,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%client, error, "a connection broke");
    }
}

fn server(head: Duration) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .half_close(false);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}
