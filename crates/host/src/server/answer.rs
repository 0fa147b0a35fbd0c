//! Answers where there is no request: written out as they go over the wire.

use http::StatusCode;
use reveille_wire::{GatewayCode, Refusal};

/// The whole of a refusal, after which its connection closes.
pub(super) fn written_out(refusal: Refusal) -> Vec<u8> {
    let response = refusal.into_response(crate::clock::now());
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let length = response.body().len();
    out.extend_from_slice(format!("connection: close\r\ncontent-length: {length}\r\n\r\n").as_bytes());
    out.extend_from_slice(response.body());
    out
}

/// The answer to a head that cannot be read, where `said` is what the HTTP library would say to it: a status and
/// nothing else. Nothing where it says something else.
pub(super) fn to_unreadable_head(said: &[u8]) -> Option<Vec<u8>> {
    let status = said.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let refusal = match StatusCode::from_bytes(status).ok()? {
        StatusCode::BAD_REQUEST => {
            Refusal::new(GatewayCode::BadRequest, "the head of the request is no HTTP that can be read")
        }
        status @ StatusCode::URI_TOO_LONG => {
            Refusal::coded(status, "URI_TOO_LONG", "the URL of the request is too long")
        }
        status @ StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            let message = "the head of the request is larger than 128 KiB, or has more than 200 headers";
            Refusal::coded(status, "REQUEST_HEADER_FIELDS_TOO_LARGE", message)
        }
        _ => return None,
    };
    Some(written_out(refusal))
}
