//! A client that does nothing by itself: no retries, no pool.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::KEY;

#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an answer that the gateway made by itself.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("x-blaxel-source"), Some("platform"), "{self:?}");
        let json = self.json();
        assert_eq!(json["error"]["code"].as_str(), self.header("x-blaxel-error-code"));
        assert_eq!(json["error"]["status"], self.status.as_u16());
        json["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// A request with the key.
pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    builder.header("x-blaxel-authorization", format!("Bearer {KEY}"))
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Full::default()).unwrap()).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        self.send(request(Method::POST, path).body(body).unwrap()).await.unwrap()
    }

    pub(crate) async fn method(&self, method: Method, path: &str, body: &str) -> Answer {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        self.send(request(method, path).body(body).unwrap()).await.unwrap()
    }

    /// Sends over a connection of its own and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        let (head, body) = self.open(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Sends over a connection of its own; the body of the answer is still to be read.
    pub(crate) async fn open<B>(&self, request: Request<B>) -> Result<http::Response<Incoming>, hyper::Error>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let io = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await
    }

    /// A connection of HTTP/2 without TLS.
    pub(crate) async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// The same, with nothing between the test and its streams.
    pub(crate) async fn streams(&self) -> h2::client::SendRequest<Bytes> {
        let (client, mut connection) = h2::client::handshake(self.connect().await).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        tokio::spawn(connection);
        // What the host takes it has said before it answers a PING.
        pings.ping(h2::Ping::opaque()).await.unwrap();
        client
    }
}
