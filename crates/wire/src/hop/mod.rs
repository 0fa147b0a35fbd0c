//! What a message takes along over one hop, and what stays behind.
//!
//! The rules of a proxy (RFC 9110, section 7.6; RFC 9112, section 6), the same for everything between a client and
//! a server in a sandbox: headers that belong to one connection, lengths and transfer codings, trailers, and how
//! large a head may be. A proxy that has read a message calls [`strip`] on its headers and frames the body anew.

mod framing;
mod trailers;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

pub use framing::{Framing, UnknownCoding};
pub use trailers::strip_trailers;

/// The largest head of a message that goes through, in bytes: the longest path that a client of ours sends, escaped,
/// and headers beside it.
pub const MAX_HEAD: usize = 128 * 1024;
/// The most headers of a message that goes through.
pub const MAX_HEADERS: usize = 200;
/// How many headers one proxy adds at the most: a proxy behind another takes so many more.
pub const MAX_ADDED: usize = 8;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What clients offer to change over to in passing, by its name without a version.
const OFFERS: [&[u8]; 2] = [b"h2c", b"tls"];

/// Those that are meant for one hop whether or not `Connection` names them.
const ALWAYS: [HeaderName; 6] = [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE];

/// How long the head of a request is, as HTTP/1.1 writes it, in bytes.
///
/// ```
/// use http::Request;
/// use reveille_wire::hop;
///
/// let written = "GET /a?b HTTP/1.1\r\nhost: h\r\n\r\n";
/// let request = Request::get("/a?b").header("host", "h").body(())?;
/// assert_eq!(hop::head_length(&request), written.len());
/// # Ok::<(), http::Error>(())
/// ```
pub fn head_length<B>(request: &Request<B>) -> usize {
    const AROUND: usize = "  HTTP/1.1\r\n\r\n".len();
    const AROUND_HEADER: usize = ": \r\n".len();
    let uri = request.uri();
    let origin = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len())
        + uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = origin + uri.path_and_query().map_or(0, |target| target.as_str().len());
    let header =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + AROUND_HEADER + value.len();
    let headers: usize = request.headers().iter().map(header).sum();
    request.method().as_str().len() + target + AROUND + headers
}

/// Takes out of a message's headers what is not to go further, and says how its body was framed.
///
/// `TE: trailers` goes on: it is a promise for the whole way. A `Content-Length` beside a `Transfer-Encoding` says
/// nothing (RFC 9112, section 6.3) and goes; several that agree become one.
///
/// # Errors
/// When the body has a transfer coding that a proxy would have to undo, and the headers are left as they are.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use reveille_wire::hop::{self, Framing};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("connection", HeaderValue::from_static("close, x-near"));
/// headers.insert("x-near", HeaderValue::from_static("1"));
/// headers.insert("x-far", HeaderValue::from_static("2"));
/// headers.insert("content-length", HeaderValue::from_static("5"));
/// headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
/// assert_eq!(hop::strip(&mut headers), Ok(Framing::Chunked));
/// assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-far"]);
/// # Ok::<(), hop::UnknownCoding>(())
/// ```
pub fn strip(headers: &mut HeaderMap) -> Result<Framing, UnknownCoding> {
    if is_only_kept_alive(headers) {
        headers.remove(CONNECTION);
    }
    if !headers.keys().any(|name| ALWAYS.contains(name)) {
        // Most have nothing of the kind, and are gone over twice.
        if headers.keys().any(|name| name == CONTENT_LENGTH) {
            framing::join_lengths(headers);
        }
        return Ok(Framing::Plain);
    }
    let framing = framing::of(headers)?;
    if framing == Framing::Chunked {
        headers.remove(CONTENT_LENGTH);
    }
    framing::join_lengths(headers);
    let trailers = listed(headers, &TE).any(|word| word.eq_ignore_ascii_case("trailers"));
    if headers.contains_key(CONNECTION) {
        // A list that names what must stay with the message is an attempt to get it lost on the way.
        let named: Vec<HeaderName> = listed(headers, &CONNECTION)
            .filter_map(|word| word.parse().ok())
            .filter(|name| name != HOST && name != CONTENT_LENGTH && name != TRAILER)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &ALWAYS {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(framing)
}

/// Whether a message says of its connection that it stays, as many do, and nothing else.
fn is_only_kept_alive(headers: &HeaderMap) -> bool {
    let mut near = headers.keys().filter(|name| ALWAYS.contains(name));
    if near.next() != Some(&CONNECTION) || near.next().is_some() {
        return false;
    }
    let mut words = headers.get_all(CONNECTION).iter();
    words.next().is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
        && words.next().is_none()
}

/// The protocol that a message changes over to, where `Connection` says that it does.
///
/// HTTP/2 in the clear is none, nor is TLS: nobody changes over to them any more (RFC 9113, section 3.1), they are for one
/// hop alone, and clients that still offer them, some with every request, are served without.
#[must_use]
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    if !headers.keys().any(|name| name == UPGRADE) {
        return None;
    }
    let asks = listed(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE).filter(|_| asks)?;
    let name = protocol.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_offer = OFFERS.iter().any(|offer| name.eq_ignore_ascii_case(offer));
    (!is_offer).then(|| protocol.clone())
}

/// Writes a change of protocol for the next hop into headers that [`strip`] has gone over.
pub fn write_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Whether a request only reads, so that it may be sent again whatever became of it (RFC 9110, section 9.2.1).
///
/// ```
/// use http::Method;
/// use reveille_wire::hop;
///
/// assert!(hop::is_read(&Method::HEAD) && !hop::is_read(&Method::PUT));
/// ```
#[must_use]
pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether two servers may take a request for two hosts' (RFC 9112, section 3.2).
#[must_use]
pub fn names_two_hosts(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().nth(1).is_some()
}

/// Whether whoever sends a request waits for a word before it sends the body.
#[must_use]
pub fn expects_continue(headers: &HeaderMap) -> bool {
    listed(headers, &EXPECT).any(|word| word.eq_ignore_ascii_case("100-continue"))
}

/// Makes one header of several cookies, which HTTP/2 may send apart and HTTP/1.1 has in one (RFC 9113, section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| name == COOKIE) {
        return;
    }
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The words of all of a header's lists.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
