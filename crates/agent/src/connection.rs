//! Connections: accepting them, serving them, and letting go of them without losing a request.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reveille_http1::{Lingering, Unread};
use reveille_wire::hop;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::listener::{Kind, Listener, Stream};
use crate::received::Received;
use crate::routes::Routes;

/// How long a connection has to be quiet, while the agent lets go of its connections, before it is closed. A client
/// that sends one request after the other never leaves such a gap: it is told with its next answer.
const QUIET: Duration = Duration::from_millis(100);
/// How long the agent waits when a connection cannot be accepted, as with too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How much of a connection is buffered at the most: the largest head that a gateway hands on, and what it adds.
const MAX_BUFFER: usize = hop::MAX_HEAD + 8 * 1024;

/// Whether connections stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    LettingGo,
}

/// The connections of the agent.
#[derive(Debug)]
pub(crate) struct Connections {
    routes: Routes,
    phase: watch::Sender<Phase>,
    open: TaskTracker,
}

impl Connections {
    /// Connections that are answered by `routes`.
    pub(crate) fn new(routes: Routes) -> Self {
        Self { routes, phase: watch::Sender::new(Phase::Serving), open: TaskTracker::new() }
    }

    /// Accepts and serves connections until `end` is ready, and gives what it says.
    pub(crate) async fn serve<T>(&self, listener: &Listener, end: impl Future<Output = T>) -> T {
        tokio::pin!(end);
        loop {
            tokio::select! {
                biased;
                end = &mut end => return end,
                accepted = listener.accept() => match accepted {
                    Ok(stream) => {
                        self.open.spawn(serve(stream, self.routes.clone(), self.phase.subscribe()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// Finishes what is being answered and closes what is quiet, for at most `limit`.
    pub(crate) async fn let_go(&self, limit: Duration) {
        self.phase.send_replace(Phase::LettingGo);
        self.open.close();
        let _late = tokio::time::timeout(limit, self.open.wait()).await;
    }
}

async fn serve(stream: Stream, routes: Routes, mut phase: watch::Receiver<Phase>) {
    let (told, over, unread) = (phase.clone(), Kind::of(&stream), Unread::default());
    let io = TokioIo::new(Lingering::if_unread(stream, unread.clone()));
    let service = service_fn(|request| answer(&routes, over, &told, &unread, request));
    let connection = http1::Builder::new()
        // No limit on the wait for a head: it would run out while the sandbox sleeps, and the connection would be
        // closed under the first request after it woke.
        .header_read_timeout(None)
        // What goes through a gateway goes through here, with what the gateway adds.
        .max_headers(hop::MAX_HEADERS + hop::MAX_ADDED)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        _ = phase.wait_for(|phase| *phase == Phase::LettingGo) => {}
    }
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = tokio::time::sleep(QUIET) => connection.as_mut().graceful_shutdown(),
    }
    log(connection.await);
}

async fn answer(
    routes: &Routes,
    over: Kind,
    phase: &watch::Receiver<Phase>,
    unread: &Unread,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let (body, ended) = if body.is_end_stream() {
        (Body::empty(), None)
    } else {
        let (body, ended) = Received::new(body);
        (Body::new(body), Some(ended))
    };
    let mut response = routes.answer(Request::from_parts(head, body), over).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    // What is still sent is dropped, and the next request would be dropped with it.
    let is_unread = ended.is_some_and(|ended| !ended.load(Ordering::Acquire));
    if is_unread {
        unread.note();
    }
    if is_unread || *phase.borrow() == Phase::LettingGo {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
