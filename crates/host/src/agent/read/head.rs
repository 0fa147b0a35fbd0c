//! Heads: one is written, one is read.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use hyper::ext::ReasonPhrase;
use reveille_wire::hop;

use super::Question;
use super::chunks::Chunks;
use super::framing::Framing;

/// The largest head of an answer, in bytes: what goes through, and what a proxy in the sandbox may have added.
const MAX_HEAD: usize = hop::MAX_HEAD + 8192;
/// What every answer begins with.
const BEGIN: &[u8] = b"HTTP/1.";

/// The head of an answer, and what it says of the rest.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    pub(super) persistence: Persistence,
}

/// Whether the server goes on to serve a connection when its answer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    Stays,
    Closes,
}

type Malformed = &'static str;

/// Writes a request that is no more than its head.
pub(super) fn write(question: Question<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(question.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(question.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in question.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Takes the head of an answer out of what came, and tells of those that come before it; `None`: it is not whole yet.
///
/// The first `looked_at` bytes hold no end of a head: they are not gone through again with every byte that comes.
pub(super) fn take(
    came: &mut BytesMut,
    method: &Method,
    looked_at: &mut usize,
    interim: &mut impl FnMut(StatusCode, HeaderMap),
) -> Result<Option<Head>, Malformed> {
    loop {
        while came.starts_with(b"\r\n") || came.starts_with(b"\n") {
            came.advance(1 + usize::from(came[0] == b'\r'));
            *looked_at = 0;
        }
        let begins = came.len().min(BEGIN.len());
        if came[..begins] != BEGIN[..begins] && came[..] != b"\r"[..] {
            return Err("what answered does not speak HTTP/1");
        }
        let Some(end) = end(came, *looked_at) else {
            *looked_at = came.len();
            return if came.len() > MAX_HEAD { Err("the head of the answer is too large") } else { Ok(None) };
        };
        *looked_at = 0;
        let response = parsed(&came.split_to(end).freeze())?;
        let status = response.status();
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            interim(status, response.into_parts().0.headers);
            continue;
        }
        let persistence = persistence(response.headers(), response.version());
        let framing = framing(&response, method)?;
        return Ok(Some(Head { response, framing, persistence }));
    }
}

/// Where a head ends: behind its first empty line.
fn end(came: &[u8], looked_at: usize) -> Option<usize> {
    // The last two bytes may have been the beginning of the end.
    let from = looked_at.saturating_sub(2);
    let ends = memchr::memchr_iter(b'\n', came.get(from..)?).map(|at| from + at);
    ends.map(|at| at + 1).find_map(|next| match came.get(next..)? {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Reads a whole head.
fn parsed(bytes: &Bytes) -> Result<Response<()>, Malformed> {
    const NO_HTTP: Malformed = "the head of the answer is no HTTP that can be read";
    let mut space = [const { MaybeUninit::uninit() }; hop::MAX_HEADERS];
    let mut found = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let whole = config.parse_response_with_uninit_headers(&mut found, bytes, &mut space);
    if whole.map_err(|_| NO_HTTP)? != httparse::Status::Complete(bytes.len()) {
        return Err(NO_HTTP);
    }
    let status = found.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(NO_HTTP)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    let is_old = found.version == Some(0);
    *response.version_mut() = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
    if let Some(reason) = found.reason.filter(|reason| status.canonical_reason() != Some(reason))
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        response.extensions_mut().insert(reason);
    }
    let headers = response.headers_mut();
    headers.reserve(found.headers.len());
    for header in found.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| NO_HTTP)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(header.value)).map_err(|_| NO_HTTP)?;
        headers.append(name, value);
    }
    Ok(response)
}

fn persistence(headers: &HeaderMap, version: Version) -> Persistence {
    let says = |what: &str| {
        let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(what))
    };
    let stays = match version {
        Version::HTTP_11 => !headers.keys().any(|name| name == CONNECTION) || !says("close"),
        _ => says("keep-alive") && !says("close"),
    };
    if stays { Persistence::Stays } else { Persistence::Closes }
}

/// How the body is framed (RFC 9112, section 6.3).
fn framing(response: &Response<()>, method: &Method) -> Result<Framing, Malformed> {
    let headers = response.headers();
    if matches!(response.status().as_u16(), 101 | 204 | 304) || method == Method::HEAD {
        return Ok(Framing::Over);
    }
    if headers.keys().any(|name| name == TRANSFER_ENCODING)
        && let Some(coding) = headers.get_all(TRANSFER_ENCODING).iter().next_back()
    {
        if response.version() == Version::HTTP_10 {
            return Err("an answer of HTTP/1.0 has no transfer coding");
        }
        let last = coding.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        return Ok(if is_chunked { Framing::Chunks(Chunks::default()) } else { Framing::UntilItCloses });
    }
    Ok(match length(headers)? {
        Some(0) => Framing::Over,
        Some(length) => Framing::Length(length),
        None => Framing::UntilItCloses,
    })
}

/// The length that all of them agree on.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    const DISAGREE: Malformed = "the answer has no length that is one";
    let mut agreed = None;
    let values = headers.get_all(CONTENT_LENGTH).into_iter().map(HeaderValue::as_bytes);
    for word in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let digits = word.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(digits).ok().filter(|_| is_number);
        let length: u64 = number.and_then(|number| number.parse().ok()).ok_or(DISAGREE)?;
        if *agreed.get_or_insert(length) != length {
            return Err(DISAGREE);
        }
    }
    Ok(agreed)
}
