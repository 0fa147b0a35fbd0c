//! A platform that opens WebSockets, or not.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reveille::HttpVersion;
use reveille_relay::Relay;
use reveille_wire::websocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::place::{plain, relay, runtime};

/// What a platform does with a WebSocket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It gives back what it gets, and ends when that ends.
    Echo,
    /// It says something and ends.
    End,
    /// It lets go of the connection.
    Abort,
}

/// How a platform opens a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    Rightly,
    /// By an answer to another request.
    Wrongly,
    /// By no change of protocol at all.
    WithoutChange,
    /// Not for so many requests, which it refuses as a gateway does while its sandbox wakes.
    After(usize),
}

/// A platform, and what arrived there.
#[derive(Clone)]
pub(super) struct Platform {
    pub(super) url: String,
    pub(super) arrived: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
    /// How each WebSocket ended: its bytes, or nothing where it broke.
    pub(super) ended: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Platform {
    /// One that speaks HTTP/1.1, or nothing but HTTP/2.
    pub(super) fn start(version: HttpVersion, opens: Opens, then: Then) -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let platform = Self { url, arrived: Arc::default(), ended: Arc::default() };
        let serving = platform.clone();
        runtime().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let platform = serving.clone();
                let service = service_fn(move |request| {
                    let answer = platform.answer(request, opens, then);
                    async { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    if version == HttpVersion::Http2 {
                        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = server.enable_connect_protocol().serve_connection(io, service).await;
                    } else {
                        let server = hyper::server::conn::http1::Builder::new();
                        let _ = server.serve_connection(io, service).with_upgrades().await;
                    }
                });
            }
        });
        platform
    }

    pub(super) fn answer(
        &self,
        mut request: Request<Incoming>,
        opens: Opens,
        then: Then,
    ) -> Response<Full<Bytes>> {
        let change = hyper::upgrade::on(&mut request);
        let asked = match request.extensions().get::<Protocol>() {
            Some(protocol) => protocol.as_ref() == b"websocket",
            None => request.headers().contains_key("upgrade"),
        };
        let (head, _) = request.into_parts();
        let said = (head.method.clone(), head.uri.path().to_owned(), head.headers.clone());
        let nth = {
            let mut arrived = self.arrived.lock().unwrap();
            arrived.push(said);
            arrived.len()
        };
        let mut answer = Response::new(Full::default());
        match opens {
            Opens::After(most) if nth <= most => {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return answer;
            }
            Opens::WithoutChange => return answer,
            _ if !asked => return answer,
            _ => {}
        }
        let key = head.headers.get("sec-websocket-key").map(|key| key.as_bytes().to_vec());
        if head.method == Method::GET {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let key = if opens == Opens::Wrongly { b"another".to_vec() } else { key.unwrap() };
            for (name, value) in [
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-accept", &*websocket::accept(&key)),
            ] {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
        } else {
            assert_eq!(key, None, "HTTP/2 has no key");
        }
        let spoken = head.headers.get("sec-websocket-protocol").cloned();
        answer.headers_mut().extend(spoken.map(|it| (http::header::SEC_WEBSOCKET_PROTOCOL, it)));
        let ended = Arc::clone(&self.ended);
        tokio::spawn(async move {
            let mut open = TokioIo::new(change.await.unwrap());
            let end = match then {
                Then::Abort => None,
                Then::End => {
                    open.write_all(b"the last word").await.unwrap();
                    open.shutdown().await.unwrap();
                    let mut rest = Vec::new();
                    open.read_to_end(&mut rest).await.ok()
                }
                Then::Echo => {
                    let (mut from, mut into) = tokio::io::split(open);
                    let passed = tokio::io::copy(&mut from, &mut into).await;
                    let _ = into.shutdown().await;
                    passed.ok().map(|bytes| bytes as usize)
                }
            };
            ended.lock().unwrap().push(end);
        });
        answer
    }

    pub(super) fn relay(&self, version: HttpVersion) -> Relay {
        relay(plain(&self.url).http_version(version))
    }

    pub(super) fn arrived(&self) -> Vec<(Method, String, HeaderMap)> {
        self.arrived.lock().unwrap().clone()
    }
}

/// Platforms of both kinds, each with a relay in front.
pub(super) fn both(opens: Opens, then: Then, test: impl Fn(&Platform, &Relay)) {
    for version in [HttpVersion::Negotiated, HttpVersion::Http2] {
        let platform = Platform::start(version, opens, then);
        test(&platform, &platform.relay(version));
    }
}
