//! What opens a WebSocket (RFC 6455).

use base64::prelude::{BASE64_STANDARD, Engine};
use sha1::{Digest, Sha1};

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
