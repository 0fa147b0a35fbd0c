//! Answers as they go over the wire, line by line.

use http::header::CONNECTION;
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;

/// Tells the client that its connection ends with this answer.
///
/// ```
/// let mut answer = http::Response::new("bye");
/// reveille_http1::close(&mut answer);
/// assert_eq!(answer.headers()["connection"], "close");
/// ```
pub fn close<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// The whole of an answer, after which its connection closes.
///
/// ```
/// let answer = http::Response::builder().status(503).body("later")?;
/// let written = reveille_http1::written_out(&answer);
/// let expected = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 5\r\n\r\nlater";
/// assert_eq!(written, expected);
/// # Ok::<(), http::Error>(())
/// ```
#[must_use]
pub fn written_out<B: AsRef<[u8]>>(answer: &Response<B>) -> Vec<u8> {
    let body = answer.body().as_ref();
    let mut out = Vec::new();
    write_status(answer, &mut out);
    for (name, value) in answer.headers() {
        write_line(name.as_str(), value.as_bytes(), &mut out);
    }
    write_line("connection", b"close", &mut out);
    write_length(body.len() as u64, &mut out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

/// Writes the first line of an answer.
pub(crate) fn write_status<B>(response: &Response<B>, out: &mut Vec<u8>) {
    let status = response.status();
    let reason = response.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    let reason = reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().as_bytes());
    write_status_line(status, reason, out);
}

/// Writes the first line of an answer of this status and reason.
pub(crate) fn write_status_line(status: StatusCode, reason: &[u8], out: &mut Vec<u8>) {
    for part in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes a line of its head.
pub(crate) fn write_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes the line that says how long its body is, in bytes.
pub(crate) fn write_length(length: u64, out: &mut Vec<u8>) {
    write_line("content-length", itoa::Buffer::new().format(length).as_bytes(), out);
}
