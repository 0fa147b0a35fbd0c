//! What becomes of a request where a route leads.

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use reveille_wire::hop::{self, Framing};
use tokio::sync::OwnedSemaphorePermit;

use super::body::rewritten;
use super::room::{MAX_HELD, Room};
use crate::egress::outside::Target;
use crate::egress::refused::{Refused, refused};
use crate::egress::routing::{Made, PLACEHOLDER, resolve};
use crate::egress::{Route, bare};

/// What is sent to a destination: what a client sends, or what was made of it.
pub(super) type Outgoing = Request<Body>;
pub(super) type Body = Either<Incoming, Full<Bytes>>;

/// Makes a request that a client sent to a target one that goes there, whatever it says of itself.
///
/// # Errors
/// When it names another host: what a route adds goes to the route's destinations only.
pub(super) fn addressed(
    mut request: Request<Incoming>,
    target: &Target,
) -> Result<Request<Incoming>, Refused> {
    let misdirected = || {
        let why = format!("this connection leads to {}, and the request names another host", target.name);
        refused(StatusCode::MISDIRECTED_REQUEST, why)
    };
    if request.method() == Method::CONNECT {
        return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "there is no proxy behind this proxy"));
    }
    let mut named = request.headers().get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes()).map_err(|_| misdirected())?;
            if !is_for(&authority, target) {
                return Err(misdirected());
            }
            host.clone()
        }
        (None, _) => written(target)?,
        (Some(_), Some(_)) => {
            return Err(refused(StatusCode::BAD_REQUEST, "the request names several hosts"));
        }
    };
    if request.uri().authority().is_some_and(|authority| !is_for(authority, target)) {
        return Err(misdirected());
    }
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(HOST, host);
    Ok(request)
}

fn is_for(authority: &Authority, target: &Target) -> bool {
    !authority.as_str().contains('@') && bare(authority.host()) == target.name
}

fn written(target: &Target) -> Result<HeaderValue, Refused> {
    let Target { name, port } = target;
    let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    let host = if *port == 443 { name } else { format!("{name}:{port}") };
    HeaderValue::try_from(host).map_err(|_| refused(StatusCode::BAD_REQUEST, "the host is none"))
}

/// Adds what the routes add and the request has not, and puts their secrets in the places of the words that stand for
/// them.
///
/// # Errors
/// When a secret cannot stand where it is named, when a body that would have to be changed is too long, and when the
/// request asks to be repeated to its sender.
///
/// A body that is held takes up room for as long as what comes with the request is kept.
pub(super) async fn routed(
    request: Request<Incoming>,
    routes: &[&Route],
    room: &Room,
    made: &mut Made,
) -> Result<(Outgoing, Option<OwnedSemaphorePermit>), Refused> {
    // RFC 9110, section 9.3.8: its answer would hold what the routes have added.
    if request.method() == Method::TRACE && !routes.is_empty() {
        return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not passed on where a route leads"));
    }
    let (mut head, body) = request.into_parts();
    let protocol = hop::upgrade(&head.headers);
    let framing = hop::strip(&mut head.headers).map_err(|_| {
        refused(StatusCode::BAD_REQUEST, "the request has a transfer coding that is not known")
    })?;
    let headers = &mut head.headers;
    // Whoever waits for a word gets it when the body is read.
    headers.remove(EXPECT);
    headers.remove(PROXY_AUTHORIZATION);
    let changes = !body.is_end_stream() && routes.iter().any(|route| route.changes_bodies());
    let room = match (changes, kind_of(headers), length_of(headers)) {
        (true, Kind::Json, Some(length)) if length > MAX_HELD => return Err(too_long()),
        (true, Kind::Json, length) => room.take(length).await,
        // It may be JSON, as clients send it that do not say so.
        (true, Kind::Unsaid, Some(length)) if length <= MAX_HELD => room.take(Some(length)).await,
        _ => None,
    };
    let body = if room.is_some() {
        let held = rewritten(held(body).await?, routes, made);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(held.len()));
        Either::Right(Full::new(held))
    } else {
        if framing == Framing::Chunked {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Either::Left(body)
    };
    reveal(headers, routes)?;
    for (name, text) in routes.iter().flat_map(|route| route.headers()) {
        // What the program says itself stands, as on the platform.
        if !headers.contains_key(name)
            && let Ok(mut value) = HeaderValue::try_from(made.write(name.as_str(), text))
        {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    if let Some(protocol) = protocol {
        hop::write_upgrade(headers, protocol);
    }
    Ok((Request::from_parts(head, body), room))
}

/// Puts secrets into what the sender wrote.
fn reveal(headers: &mut HeaderMap, routes: &[&Route]) -> Result<(), Refused> {
    for (name, value) in headers.iter_mut() {
        if name == HOST || !value.as_bytes().windows(PLACEHOLDER.len()).any(|window| window == PLACEHOLDER) {
            continue;
        }
        let resolved =
            resolve(value.as_bytes(), |secret| routes.iter().find_map(|route| route.plain(secret)));
        let mut with = HeaderValue::from_bytes(&resolved.text).map_err(|_| {
            let why = format!("a secret that the header {name} names cannot stand in a header: it holds a line break or another control character");
            refused(StatusCode::BAD_REQUEST, why)
        })?;
        with.set_sensitive(true);
        *value = with;
    }
    Ok(())
}

/// How long a body says that it is.
fn length_of(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole of a body.
async fn held(body: Incoming) -> Result<Bytes, Refused> {
    match Limited::new(body, MAX_HELD).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
        Err(_) => Err(refused(StatusCode::BAD_REQUEST, "the body broke off")),
    }
}

fn too_long() -> Refused {
    let most = MAX_HELD / 1024 / 1024;
    let why = format!("a JSON body is at most {most} MiB where a route has fields or secrets for it");
    refused(StatusCode::PAYLOAD_TOO_LARGE, why)
}

/// What a body says that it is.
enum Kind {
    /// JSON that can be read as it is (RFC 6839, section 3.1, for `+json`).
    Json,
    Unsaid,
    Other,
}

fn kind_of(headers: &HeaderMap) -> Kind {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Kind::Other;
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Kind::Unsaid };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    if kind == "application/json" || kind.ends_with("+json") { Kind::Json } else { Kind::Other }
}
