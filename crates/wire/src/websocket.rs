//! What opens a WebSocket (RFC 6455).

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, request};
use sha1::{Digest, Sha1};

use crate::hop;

/// The protocol, as `Upgrade` and `:protocol` (RFC 8441) name it.
pub const PROTOCOL: &str = "websocket";
/// What a server appends to a key before it answers (RFC 6455, section 1.3).
const SAID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What `Sec-WebSocket-Accept` answers to a `Sec-WebSocket-Key`.
///
/// ```
/// use reveille_wire::websocket;
/// assert_eq!(websocket::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept(key: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(SAID).finalize())
}

/// The `Sec-WebSocket-Key` of 16 bytes, which are to be random.
///
/// ```
/// use reveille_wire::websocket;
/// assert_eq!(websocket::key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
/// ```
#[must_use]
pub fn key(nonce: [u8; 16]) -> String {
    BASE64_STANDARD.encode(nonce)
}

/// A WebSocket that a client asks for on a stream of HTTP/2 (RFC 8441), on its way over HTTP/1.1.
///
/// ```
/// use http::{HeaderMap, Method, Request, Response, StatusCode};
/// use reveille_wire::websocket::Extended;
///
/// let (mut head, ()) = Request::builder().method(Method::CONNECT).uri("/terminal").body(())?.into_parts();
/// let extended = Extended::write(&mut head, *b"the sample nonce");
/// assert_eq!((head.method, &head.headers["upgrade"]), (Method::GET, &"websocket".parse()?));
/// assert_eq!(head.headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
///
/// let mut answer = Response::new(());
/// *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
/// assert!(!extended.is_accepted(answer.headers()), "it answers no key");
/// answer.headers_mut().insert("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".parse()?);
/// assert!(extended.is_accepted(answer.headers()));
/// Extended::write_answer(&mut answer);
/// assert_eq!((answer.status(), answer.headers().len()), (StatusCode::OK, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Extended {
    /// What whoever reads the request has to answer.
    accept: String,
}

impl Extended {
    /// Writes the request for one as HTTP/1.1 has it, with a nonce that is to be random.
    #[must_use]
    pub fn write(head: &mut request::Parts, nonce: [u8; 16]) -> Self {
        let key = key(nonce);
        let accept = accept(key.as_bytes());
        (head.method, head.version) = (Method::GET, Version::HTTP_11);
        hop::write_upgrade(&mut head.headers, HeaderValue::from_static(PROTOCOL));
        if let Ok(key) = HeaderValue::try_from(key) {
            head.headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        Self { accept }
    }

    /// Whether an answer is from somebody who has read the request (RFC 6455, section 4.1).
    #[must_use]
    pub fn is_accepted(&self, headers: &HeaderMap) -> bool {
        headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == self.accept.as_bytes())
    }

    /// Writes the answer that opens it as HTTP/2 has it.
    pub fn write_answer<B>(answer: &mut Response<B>) {
        *answer.status_mut() = StatusCode::OK;
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
            answer.headers_mut().remove(name);
        }
    }
}

/// Whether this is the name of the protocol, which is in letters of any case.
///
/// ```
/// assert!(reveille_wire::websocket::is_named("WebSocket"));
/// assert!(!reveille_wire::websocket::is_named("connect-udp"));
/// ```
#[must_use]
pub fn is_named(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case(PROTOCOL)
}
