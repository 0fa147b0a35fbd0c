//! One client's connection, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use reveille_http1::Lingering;
use reveille_wire::hop;
use tokio::net::TcpStream;

use crate::crossing::Crossing;

/// How long the head of a request may take, and the time between two: longer than clients keep an idle connection
/// (Go's for 90 s), so that none meets one that is being closed.
const HEAD: Duration = Duration::from_secs(120);
/// The largest list of headers of an HTTP/2 request, in bytes.
const MAX_HEADER_LIST: u32 = hop::MAX_HEAD as u32;
/// How many requests an HTTP/2 connection carries at a time.
const MAX_STREAMS: u32 = 256;
/// How much of one body an HTTP/2 client may send before it is taken, in bytes.
const WINDOW: u32 = 256 * 1024;

/// Serves one connection to its end.
pub(crate) async fn serve(stream: TcpStream, crossing: Arc<Crossing>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays small writes");
    }
    let (stop, cut) = (crossing.stop.clone(), crossing.cut.clone());
    let service = service_fn(move |request| {
        let crossing = Arc::clone(&crossing);
        async move { Ok::<_, Infallible>(crossing.serve(request).await) }
    });
    let server = server();
    let connection = server.serve_connection_with_upgrades(TokioIo::new(Lingering::new(stream)), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = cut.cancelled() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "a connection broke");
    }
}

fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(hop::MAX_HEAD)
        .max_headers(hop::MAX_HEADERS)
        .half_close(false);
    server
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}
