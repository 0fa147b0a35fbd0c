//! Answers of the host itself to what never was a request.

use http::StatusCode;
use reveille_wire::{GatewayCode, Refusal};

/// The whole of a refusal, after which its connection closes.
pub(super) fn written_out(refusal: Refusal) -> Vec<u8> {
    reveille_http1::written_out(&refusal.into_response(crate::clock::now()))
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
