//! The HTTP server that `reveille try` starts inside its sandbox.
//!
//! It keeps everything in memory and counts what arrives, so that the other side of a call can be asked what
//! really came, and whether it is still the same process after standby. A thread of it beats every ten
//! milliseconds: the longest pause between two beats tells how long nothing ran at all.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyDataStream, BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The header that names a request, so that its arrivals can be counted.
pub(crate) const ID: &str = "x-witness-id";
/// How often the server shows itself that it runs.
const BEAT: Duration = Duration::from_millis(10);
/// What one piece of a large answer holds.
const PIECE: usize = 64 * 1024;

/// What the server knows, as `GET /ledger` answers it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ledger {
    /// Its process.
    pub(crate) pid: u32,
    /// How many requests have arrived, but for those that only asked for this.
    pub(crate) arrivals: u64,
    /// How often each named request arrived.
    pub(crate) by_id: BTreeMap<String, u64>,
    /// The longest time in which nothing ran since this was last asked for, in milliseconds.
    pub(crate) longest_pause_ms: u64,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;
type Shared = Arc<Mutex<Ledger>>;

/// Serves what comes to a listener until the process ends.
///
/// # Errors
/// When the system gives no thread, or no more connections.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let ledger = Shared::default();
    locked(&ledger).pid = std::process::id();
    let beating = Arc::clone(&ledger);
    std::thread::Builder::new().name("beat".to_owned()).spawn(move || beat(&beating))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&ledger, request));
            // A client that goes away is no matter of the server's.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn locked(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn beat(ledger: &Shared) {
    let mut last = Instant::now();
    loop {
        std::thread::sleep(BEAT);
        let now = Instant::now();
        let pause = u64::try_from((now - last).as_millis()).unwrap_or(u64::MAX);
        last = now;
        let mut ledger = locked(ledger);
        ledger.longest_pause_ms = ledger.longest_pause_ms.max(pause);
    }
}

async fn answer(ledger: &Shared, request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.uri().path() == "/ledger" {
        return Ok(told(ledger));
    }
    count(ledger, request.headers());
    let length = request.uri().path().strip_prefix("/bytes/").map(str::parse);
    Ok(match (request.method(), length) {
        (&Method::GET, Some(Ok(length))) => many(length),
        // What a client is graded by wants JSON.
        _ if matches!(request.uri().path(), "/page" | "/orders" | "/orders/1") => {
            with_type("application/json", full(r#"{"ready":true}"#))
        }
        (&Method::OPTIONS, _) => allowed(),
        (&Method::POST | &Method::PUT, _) => taken(request).await,
        _ => text(StatusCode::OK, "ready\n"),
    })
}

fn count(ledger: &Shared, headers: &HeaderMap) {
    let mut ledger = locked(ledger);
    ledger.arrivals += 1;
    if let Some(id) = headers.get(ID).and_then(|id| id.to_str().ok()) {
        *ledger.by_id.entry(id.to_owned()).or_default() += 1;
    }
}

fn told(ledger: &Shared) -> Answer {
    let mut ledger = locked(ledger);
    let body = serde_json::to_vec(&*ledger).unwrap_or_default();
    ledger.longest_pause_ms = 0;
    drop(ledger);
    with_type("application/json", full(body))
}

fn allowed() -> Answer {
    let mut answer = text(StatusCode::NO_CONTENT, "");
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD, OPTIONS, POST"));
    answer
}

/// Says how large a body was, which is read and let go.
async fn taken(request: Request<Incoming>) -> Answer {
    let length = BodyDataStream::new(request.into_body())
        .try_fold(0_usize, |sum, piece| async move { Ok(sum + piece.len()) })
        .await;
    match length {
        Ok(length) => text(StatusCode::OK, format!("took {length} bytes\n")),
        Err(_) => text(StatusCode::BAD_REQUEST, "the body broke\n"),
    }
}

/// So many bytes, never more than a piece of them in memory.
fn many(length: usize) -> Answer {
    let piece = Bytes::from_static(&[b'.'; PIECE]);
    let pieces = futures_util::stream::unfold(length, move |left| {
        let now = piece.slice(..left.min(PIECE));
        async move { (left > 0).then(|| (Ok(Frame::data(now.clone())), left - now.len())) }
    });
    let mut answer = with_type("application/octet-stream", StreamBody::new(pieces).boxed());
    answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = with_type("text/plain", full(body));
    *answer.status_mut() = status;
    answer
}

fn with_type(kind: &'static str, body: BoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

fn full(body: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    Full::new(body.into()).boxed()
}
