//! WebSockets over streams of HTTP/2 (RFC 8441). They go on as HTTP/1.1 asks for one, which is what the platform is asked.

use http::Request;
use reveille_wire::Refusal;
use reveille_wire::websocket;

use crate::refusal;

/// Whether a request asks for a WebSocket on its stream.
///
/// # Errors
/// When it asks for another protocol.
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> Result<bool, Refusal> {
    match reveille_http2::protocol(request) {
        None => Ok(false),
        Some(protocol) if websocket::is_named(protocol) => Ok(true),
        Some(_) => Err(refusal::unknown_protocol()),
    }
}
