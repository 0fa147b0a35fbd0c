//! The way to HTTP servers inside the sandbox.
//!
//! Whoever comes over HTTP alone asks for `/port/{port}/...`: a request goes out on a connection of its own, so that
//! whether it reached the server is never in doubt because of a connection that was closed meanwhile. Bodies pass
//! through as they come, both ways, and one that is cut on one side is cut on the other. Whoever comes over a unix
//! socket may have the connection itself ([`handover`]).

mod change;
mod connect;
pub(crate) mod handover;
mod link;

use std::time::SystemTime;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Uri, Version};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reveille_wire::hop::{self, Framing};
use reveille_wire::{GatewayCode, Port, Refusal};

use self::change::Change;
use self::connect::connect;
use self::link::Link;
use crate::clock::rfc3339;

/// What a request below `/port/` is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    port: &'a str,
    /// With its query, as it came.
    path: &'a str,
}

impl<'a> Target<'a> {
    /// What `uri` names; nothing when it is not below `/port/`.
    pub(crate) fn of(uri: &'a Uri) -> Option<Self> {
        let rest = uri.path_and_query()?.as_str().strip_prefix("/port/")?;
        let (port, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Some(Self { port, path })
    }
}

/// Hands `request` on to the server that listens on the port, and its answer back. Where there is none, the answer
/// has the shape of a gateway's, which this is for once.
pub(crate) async fn forward(request: Request<Body>) -> Response {
    exchange(request)
        .await
        .unwrap_or_else(|refusal| refusal.into_response(rfc3339(SystemTime::now())).map(Body::from))
}

async fn exchange(mut request: Request<Body>) -> Result<Response, Refusal> {
    let target = Target::of(request.uri())
        .ok_or_else(|| Refusal::new(GatewayCode::RouteNotFound, "there is no such endpoint"))?;
    let port: Port = target.port.parse().map_err(|error| bad(format!("{error}")))?;
    let slash = if target.path.starts_with('/') { "" } else { "/" };
    let uri: Uri = format!("{slash}{}", target.path)
        .parse()
        .map_err(|error| bad(format!("the path cannot be used: {error}")))?;
    let method = request.method().clone();
    let change = Change::asked_for(&mut request);
    prepare(&mut request, uri, port)?;
    if let Some(change) = &change {
        change.write(request.headers_mut());
    }
    let stream = connect(port).await.map_err(|no_way| no_way.refusal(port))?;
    let no_answer = |error| broken(&method, format!("the server on port {port} gave no answer: {error}"));
    let mut client = http1::Builder::new();
    client.max_headers(hop::MAX_HEADERS).max_buf_size(hop::MAX_HEAD);
    let (mut sender, connection) =
        client.handshake(TokioIo::new(Link::new(stream))).await.map_err(no_answer)?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender.send_request(request).await.map_err(no_answer)?;
    let agreed = change.and_then(|change| change.agreed(&mut response));
    hop::strip(response.headers_mut())
        .map_err(|error| broken(&method, format!("the answer of the server on port {port}: {error}")))?;
    if let Some(agreed) = agreed {
        agreed.write(response.headers_mut());
        agreed.begin();
    }
    Ok(response.map(Body::new).into_response())
}

fn bad(message: String) -> Refusal {
    Refusal::new(GatewayCode::BadRequest, message)
}

/// The server had the request, and it may have run.
fn broken(method: &Method, message: String) -> Refusal {
    let refusal = Refusal::new(GatewayCode::BadGateway, message).retryable();
    if hop::is_read(method) { refusal } else { refusal.not_to_be_repeated() }
}

fn prepare(request: &mut Request<Body>, uri: Uri, port: Port) -> Result<(), Refusal> {
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let framing = hop::strip(headers).map_err(|error| bad(format!("the request: {error}")))?;
    if framing == Framing::Chunked {
        // Said outright: a method that seldom has a body keeps its own, too.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    // Whoever waits for a word to go on gets it here, as soon as the body is asked for.
    headers.remove(EXPECT);
    if !headers.contains_key(HOST) {
        let host = HeaderValue::from_str(&format!("127.0.0.1:{port}"));
        headers.extend(host.ok().map(|host| (HOST, host)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_port_stays_as_it_came() {
        for (uri, port, path) in [
            ("/port/80", "80", ""),
            ("/port/80/", "80", "/"),
            ("/port/80?a=/b", "80", "?a=/b"),
            ("/port/80//a%2Fb/../c?x=%20", "80", "//a%2Fb/../c?x=%20"),
            ("/port/", "", ""),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(Target::of(&uri), Some(Target { port, path }), "{uri}");
        }
        assert_eq!(Target::of(&"/ports/80".parse().unwrap()), None);
    }
}
