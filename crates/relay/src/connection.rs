//! One client's connection, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reveille_http1::{Course, Last, Plain, Socket};
use reveille_http2::{Bounds, Http2};
use reveille_wire::hop;
use tokio::net::TcpStream;

use crate::crossing::Crossing;
use crate::received::Coming;

/// How long the head of a request may take, and the time between two: longer than clients keep an idle connection
/// (Go's for 90 s), so that none meets one that is being closed.
const HEAD: Duration = Duration::from_secs(120);
/// What a client of HTTP/2 may do.
const BOUNDS: Bounds =
    Bounds { headers: hop::MAX_HEAD as u32, streams: 256, stream: 256 * 1024, connection: 1024 * 1024 };

/// Serves one connection to its end: requests that are whole by ourselves, and from the first other one on by the
/// library.
pub(crate) async fn serve(stream: TcpStream, crossing: Arc<Crossing>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection delays small writes");
    }
    let socket = Socket::new(stream);
    let (interims, last) = (socket.interims(), Last::default());
    let plain = Plain { socket, within: HEAD, last: &last, interims: &interims };
    let pass = |request: Request<Bytes>| async {
        Some(crossing.serve(request.map(Coming::Whole), interims.now()).await)
    };
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
    if let Course::Otherwise(socket, came) = course {
        // Apart, so that the others do not carry its room about.
        Box::pin(otherwise(socket, came, Arc::clone(&crossing))).await;
    }
}

/// Serves a connection that carries more than whole requests of HTTP/1.1.
async fn otherwise(mut socket: Socket<TcpStream>, mut came: BytesMut, crossing: Arc<Crossing>) {
    let is_http2 = tokio::time::timeout(HEAD, reveille_http2::is_spoken(&mut socket, &mut came));
    let is_http2 = tokio::select! {
        biased;
        is_http2 = is_http2 => is_http2,
        () = crossing.stop.cancelled() => return,
    };
    socket.put_back(came);
    match is_http2 {
        Ok(Ok(true)) => over_http2(socket, crossing).await,
        Ok(Ok(false)) => by_library(socket, crossing).await,
        // It broke, or never said what it is.
        Ok(Err(_)) | Err(_) => {}
    }
}

async fn over_http2(socket: Socket<TcpStream>, crossing: Arc<Crossing>) {
    let last = Last::default();
    let http2 = Http2 { socket, bounds: &BOUNDS, last: &last };
    let connection = http2.serve(|request, interim| {
        let crossing = Arc::clone(&crossing);
        async move { crossing.serve(request.map(|body| Coming::Streamed(Either::Right(body))), interim).await }
    });
    to_its_end(pin!(connection), &crossing, |_| last.set()).await;
}

async fn by_library(socket: Socket<TcpStream>, crossing: Arc<Crossing>) {
    let interims = socket.interims();
    let service = service_fn(|request: Request<Incoming>| {
        let (crossing, interims) = (Arc::clone(&crossing), interims.clone());
        async move {
            let version = request.version();
            let request = request.map(|body| Coming::Streamed(Either::Left(body)));
            // Only now is it known which request the interim answers are to.
            let serving = async { crossing.serve(request, interims.now()).await };
            Ok::<_, Infallible>(interims.during(version, serving).await)
        }
    });
    let connection = server().serve_connection(TokioIo::new(socket), service).with_upgrades();
    to_its_end(pin!(connection), &crossing, http1::UpgradeableConnection::graceful_shutdown).await;
}

/// Serves a connection, to which it is said by `last` when the relay stops that what is under way is its last.
async fn to_its_end<C, E>(mut connection: Pin<&mut C>, crossing: &Crossing, last: impl FnOnce(Pin<&mut C>))
where
    C: Future<Output = Result<(), E>>,
    E: std::error::Error,
{
    let served = tokio::select! {
        biased;
        // First, so that what has come already is served like anything that comes while the relay stops.
        served = connection.as_mut() => served,
        () = crossing.stop.cancelled() => {
            last(connection.as_mut());
            tokio::select! {
                served = connection.as_mut() => served,
                () = crossing.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}

fn server() -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(hop::MAX_HEAD)
        .max_headers(hop::MAX_HEADERS)
        .half_close(false);
    server
}
