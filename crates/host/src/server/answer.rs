//! Answers as they go over the wire, line by line.

use http::header::CONNECTION;
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use reveille_wire::{GatewayCode, Refusal};

/// Tells the client that its connection ends with this answer.
pub(super) fn close<B>(response: &mut Response<B>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Writes the first line of an answer.
pub(super) fn write_status<B>(response: &Response<B>, out: &mut Vec<u8>) {
    let status = response.status();
    let reason = response.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    let reason = reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().as_bytes());
    for part in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes a line of its head.
pub(super) fn write_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes the line that says how long its body is, in bytes.
pub(super) fn write_length(length: u64, out: &mut Vec<u8>) {
    write_line("content-length", itoa::Buffer::new().format(length).as_bytes(), out);
}

/// The whole of a refusal, after which its connection closes.
pub(super) fn written_out(refusal: Refusal) -> Vec<u8> {
    let response = refusal.into_response(crate::clock::now());
    let mut out = Vec::new();
    write_status(&response, &mut out);
    for (name, value) in response.headers() {
        write_line(name.as_str(), value.as_bytes(), &mut out);
    }
    write_line("connection", b"close", &mut out);
    write_length(response.body().len() as u64, &mut out);
    out.extend_from_slice(b"\r\n");
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
