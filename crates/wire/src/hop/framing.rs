use std::fmt;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use super::listed;

/// How the body of a message is framed on the hop that it came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// In chunks: how long it is, its end says.
    Chunked,
    /// By its length, by the end of its connection, or there is none.
    Plain,
}

/// A transfer coding other than `chunked` alone.
///
/// It is undone by whoever receives the message, and a proxy that only takes its name out would hand on bytes of
/// which nobody knows the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCoding;

impl fmt::Display for UnknownCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body has a transfer coding other than chunked")
    }
}

impl std::error::Error for UnknownCoding {}

pub(super) fn of(headers: &HeaderMap) -> Result<Framing, UnknownCoding> {
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(Framing::Plain);
    }
    let unreadable = headers.get_all(TRANSFER_ENCODING).iter().any(|value| value.to_str().is_err());
    let mut codings = listed(headers, &TRANSFER_ENCODING);
    match (codings.next(), codings.next()) {
        (Some(coding), None) if !unreadable && coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        _ => Err(UnknownCoding),
    }
}

/// Makes one of several lengths that agree. Ones that do not have been refused by whoever read the head.
pub(super) fn join_lengths(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    let is_list = first.as_bytes().contains(&b',');
    if lengths.next().is_none() && !is_list {
        return;
    }
    let first = first.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    if let Ok(length) = HeaderValue::from_bytes(first) {
        headers.insert(CONTENT_LENGTH, length);
    }
}
