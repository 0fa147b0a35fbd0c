//! WebSockets over streams of HTTP/2 (RFC 8441). They go on as HTTP/1.1 asks for one, which is what the platform is asked.

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode, Version, request, response};
use hyper::ext::Protocol;
use reveille_wire::{Refusal, hop, websocket};

use crate::refusal;

/// A WebSocket that a client asked for over HTTP/2.
pub(crate) struct Extended {
    /// What the platform has to answer, as the relay made the key.
    accept: String,
}

/// Whether a request asks for another protocol on its stream.
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT && request.extensions().get::<Protocol>().is_some()
}

impl Extended {
    /// Writes the request for one as HTTP/1.1 has it; `None` where it is a request for something else.
    ///
    /// # Errors
    /// When it is one for another protocol.
    pub(crate) fn write(head: &mut request::Parts) -> Result<Option<Self>, Refusal> {
        let Some(protocol) = head.extensions.remove::<Protocol>() else { return Ok(None) };
        if !protocol.as_ref().eq_ignore_ascii_case(websocket::PROTOCOL.as_bytes()) {
            return Err(refusal::unknown_protocol());
        }
        let key = websocket::key(fastrand::u128(..).to_be_bytes());
        let accept = websocket::accept(key.as_bytes());
        (head.method, head.version) = (Method::GET, Version::HTTP_11);
        hop::write_upgrade(&mut head.headers, HeaderValue::from_static(websocket::PROTOCOL));
        if let Ok(key) = HeaderValue::try_from(key) {
            head.headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        Ok(Some(Self { accept }))
    }

    /// Whether an answer is from somebody who has read the request (RFC 6455, section 4.1).
    pub(crate) fn is_accepted(&self, headers: &HeaderMap) -> bool {
        headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == self.accept.as_bytes())
    }

    /// Writes the answer that opens it as HTTP/2 has it.
    pub(crate) fn write_answer(head: &mut response::Parts) {
        head.status = StatusCode::OK;
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
            head.headers.remove(name);
        }
    }
}
