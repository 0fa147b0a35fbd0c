//! One client's connection, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use reveille_http1::{Course, Last, Plain, Socket};
use reveille_wire::hop;
use tokio::net::TcpStream;

use crate::crossing::Crossing;
use crate::received::Coming;

/// How long the head of a request may take, and the time between two: longer than clients keep an idle connection
/// (Go's for 90 s), so that none meets one that is being closed.
const HEAD: Duration = Duration::from_secs(120);
/// The largest list of headers of an HTTP/2 request, in bytes.
const MAX_HEADER_LIST: u32 = hop::MAX_HEAD as u32;
/// How many requests an HTTP/2 connection carries at a time.
const MAX_STREAMS: u32 = 256;
/// How much of one body an HTTP/2 client may send before it is taken, in bytes.
const WINDOW: u32 = 256 * 1024;

/// Serves one connection to its end: requests that are whole by ourselves, and from the first other one on by the
/// library.
pub(crate) async fn serve(stream: TcpStream, crossing: Arc<Crossing>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays small writes");
    }
    let socket = Socket::new(stream);
    let (interims, last) = (socket.interims(), Last::default());
    let plain = Plain { socket, within: HEAD, last: &last, interims: &interims };
    let pass =
        |request: Request<Bytes>| async { Some(crossing.serve(request.map(Coming::Whole), &interims).await) };
    let mut plain = pin!(plain.serve(pass));
    let course = tokio::select! {
        biased;
        // First, so that an answer that is ready at the same time says that it is the last.
        () = crossing.stop.cancelled() => {
            last.set();
            tokio::select! {
                biased;
                course = plain.as_mut() => course,
                () = crossing.cut.cancelled() => return,
            }
        }
        course = plain.as_mut() => course,
    };
    if let Course::Otherwise(mut socket, came) = course {
        socket.put_back(came);
        // Apart, so that the others do not carry its room about.
        Box::pin(by_library(socket, Arc::clone(&crossing))).await;
    }
}

async fn by_library(socket: Socket<TcpStream>, crossing: Arc<Crossing>) {
    let (stop, cut) = (crossing.stop.clone(), crossing.cut.clone());
    let interims = socket.interims();
    let service = service_fn(move |request: Request<Incoming>| {
        let (crossing, interims) = (Arc::clone(&crossing), interims.clone());
        async move {
            let version = request.version();
            let serving = crossing.serve(request.map(Coming::Streamed), &interims);
            Ok::<_, Infallible>(interims.during(version, serving).await)
        }
    });
    let server = server();
    let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(socket), service));
    let served = tokio::select! {
        biased;
        // First, so that what has come already is served like anything that comes while the relay stops.
        served = connection.as_mut() => served,
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
