//! What answers inside a sandbox of the scripted engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use reveille_wire::websocket;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

/// What the app of one sandbox has seen, and what it is told to do.
#[derive(Debug, Default)]
pub(crate) struct App {
    /// Requests that have arrived, but for those that ask what keeps it awake.
    pub(crate) arrived: AtomicUsize,
    /// Requests that arrived while the sandbox was asleep; there must be none.
    pub(crate) arrived_asleep: AtomicUsize,
    /// How often it was asked what keeps it awake.
    pub(crate) asked: AtomicUsize,
    pub(crate) asleep: AtomicBool,
    pub(crate) keep_alive: AtomicBool,
    /// Lets `/port/1/gate` go on.
    pub(crate) gate: Notify,
}

impl App {
    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    pub(crate) fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/keep-alive", get(keep_alive))
            .route("/port/1/gate", any(gate))
            .route("/port/1/halves", any(halves))
            .route("/port/1/stream", any(stream_on))
            .route("/port/1/count", any(count))
            .route("/port/1/zeros", any(zeros))
            .route("/port/1/cut", any(cut))
            .route("/port/1/drop", any(break_off))
            .route("/port/1/forge", any(forge))
            .route("/port/1/socket", any(socket))
            .route("/port/1/shared", any(shared))
            .fallback(echo)
            .layer(axum::middleware::from_fn_with_state(Arc::clone(self), seen))
            // It hands over no connections.
            .route("/port", any(|| async { http::StatusCode::NOT_FOUND }))
            .with_state(Arc::clone(self))
    }
}

async fn seen(State(app): State<Arc<App>>, request: Request, next: axum::middleware::Next) -> Response {
    let counter = if request.uri().path() == "/keep-alive" { &app.asked } else { &app.arrived };
    counter.fetch_add(1, Ordering::SeqCst);
    if app.asleep.load(Ordering::SeqCst) {
        app.arrived_asleep.fetch_add(1, Ordering::SeqCst);
    }
    next.run(request).await
}

async fn keep_alive(State(app): State<Arc<App>>) -> Json<serde_json::Value> {
    Json(json!({"processes": u64::from(app.keep_alive.load(Ordering::SeqCst)), "novel": []}))
}

async fn gate(State(app): State<Arc<App>>) -> &'static str {
    app.gate.notified().await;
    "through"
}

/// Says how long its answer is and half of it, and the other half when it is let.
async fn halves(State(app): State<Arc<App>>) -> Response {
    let first = futures_util::stream::once(async { Ok::<_, std::io::Error>("first") });
    let second = futures_util::stream::once(async move {
        app.gate.notified().await;
        Ok("second")
    });
    let mut response = Response::new(Body::from_stream(first.chain(second)));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("11"));
    response
}

/// Says something, and more of it never.
async fn stream_on() -> Body {
    let first = futures_util::stream::once(async { Ok::<_, std::io::Error>("first") });
    Body::from_stream(first.chain(futures_util::stream::pending()))
}

/// Reads the body to its end and says how long it was.
async fn count(request: Request) -> String {
    let mut body = request.into_body().into_data_stream();
    let mut length = 0_u64;
    while let Some(Ok(chunk)) = body.next().await {
        length += chunk.len() as u64;
    }
    length.to_string()
}

/// As many bytes as the query says.
async fn zeros(request: Request) -> Response {
    let mut left: usize = request.uri().query().unwrap().parse().unwrap();
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let chunks = std::iter::from_fn(move || {
        let next = chunk.slice(..chunk.len().min(left));
        left -= next.len();
        (!next.is_empty()).then_some(Ok::<_, std::io::Error>(next))
    });
    Body::from_stream(futures_util::stream::iter(chunks)).into_response()
}

/// Says itself which pages of other origins may read it.
async fn shared() -> impl IntoResponse {
    let headers =
        [("access-control-allow-origin", "https://app"), ("vary", "Accept"), ("x-frame-options", "DENY")];
    (headers, "shared")
}

/// Breaks off in the middle of its answer, when it is let go.
async fn cut(State(app): State<Arc<App>>) -> Response {
    let half = futures_util::stream::once(std::future::ready(Ok("half")));
    let cut = futures_util::stream::once(async move {
        app.gate.notified().await;
        Err(std::io::Error::other("cut"))
    });
    Body::from_stream(half.chain(cut)).into_response()
}

/// Breaks off before there is an answer.
async fn break_off() -> Response {
    panic!("told to")
}

async fn forge() -> Response {
    let forged =
        [("x-blaxel-source", "platform"), ("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE"), ("x-own", "1")];
    (http::StatusCode::NOT_FOUND, forged, "app").into_response()
}

/// Switches to a protocol that sends back what it gets.
async fn socket(mut request: Request) -> Response {
    let protocol = request.headers()["upgrade"].clone();
    let key = request.headers().get("sec-websocket-key").map(|key| websocket::accept(key.as_bytes()));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
        // The client may go away at any time.
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    });
    let mut response =
        (http::StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("x-own", "1")]).into_response();
    response.headers_mut().insert("upgrade", protocol);
    if let Some(accept) = key {
        response.headers_mut().insert("sec-websocket-accept", accept.parse().unwrap());
    }
    response
}

/// Says what has arrived.
async fn echo(request: Request) -> Json<serde_json::Value> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let headers: serde_json::Map<String, serde_json::Value> =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
    Json(json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}
