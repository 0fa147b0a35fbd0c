//! One head taken out of what came.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

/// The largest head that is taken, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// The most headers of one.
const MAX_HEADERS: usize = 64;
/// The largest body that is waited for, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// How many bytes tell a method from anything else, the space behind it included.
const METHOD: usize = 8;

/// What came is another kind of request, or none. It has been left where it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Otherwise;

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request<()>,
    /// The length of the body behind it, in bytes.
    pub(super) length: usize,
    bytes: Bytes,
}

impl Head {
    /// Puts it back in front of what came after it.
    pub(super) fn put_back(self, came: &mut BytesMut) {
        put_back(&self.bytes, came);
    }
}

/// Takes the next head; `None`: it is not whole yet. The first `looked_at` bytes hold no end of one.
pub(super) fn take(came: &mut BytesMut, looked_at: &mut usize) -> Result<Option<Head>, Otherwise> {
    if !begins_like_one(came) {
        return Err(Otherwise);
    }
    let end = match end(came, *looked_at) {
        Ok(Some(end)) => end,
        Ok(None) if came.len() < MAX_HEAD => {
            *looked_at = came.len();
            return Ok(None);
        }
        Ok(None) | Err(BareLine) => return Err(Otherwise),
    };
    *looked_at = 0;
    let bytes = came.split_to(end).freeze();
    match parsed(&bytes) {
        Some((request, length)) => Ok(Some(Head { request, length, bytes })),
        None => {
            put_back(&bytes, came);
            Err(Otherwise)
        }
    }
}

fn put_back(bytes: &Bytes, came: &mut BytesMut) {
    let mut all = BytesMut::with_capacity(bytes.len() + came.len());
    all.extend_from_slice(bytes);
    all.extend_from_slice(came);
    *came = all;
}

/// Whether it begins with a method of capital letters, or may yet. HTTP/2 begins with one that is none of ours.
fn begins_like_one(came: &[u8]) -> bool {
    let begin = &came[..came.len().min(METHOD)];
    let letters = begin.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match begin.get(letters) {
        Some(b' ') => letters > 0 && &begin[..letters] != b"PRI",
        Some(_) => false,
        None => letters < METHOD,
    }
}

/// A line that ends without a carriage return: some read it, and some do not.
struct BareLine;

/// Where the head ends: behind its first empty line.
fn end(came: &[u8], looked_at: usize) -> Result<Option<usize>, BareLine> {
    for at in memchr::memchr_iter(b'\n', &came[looked_at..]) {
        let at = looked_at + at;
        match came[..at] {
            [.., b'\r', b'\n', b'\r'] => return Ok(Some(at + 1)),
            [.., b'\r'] => {}
            _ => return Err(BareLine),
        }
    }
    Ok(None)
}

/// Reads a whole head, and how long the body behind it is; `None`: it is not for us.
fn parsed(bytes: &Bytes) -> Option<(Request<()>, usize)> {
    let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut found = httparse::Request::new(&mut []);
    let config = httparse::ParserConfig::default();
    let whole = config.parse_request_with_uninit_headers(&mut found, bytes, &mut space);
    if whole != Ok(httparse::Status::Complete(bytes.len())) || found.version != Some(1) {
        return None;
    }
    let target = found.path.filter(|target| target.starts_with('/'))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(found.method?.as_bytes()).ok()?;
    let target = PathAndQuery::from_maybe_shared(bytes.slice_ref(target.as_bytes())).ok()?;
    *request.uri_mut() = Uri::from(target);
    let headers = request.headers_mut();
    // With room for what is told of the client.
    headers.reserve(found.headers.len() + 3);
    for header in found.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(header.value)).ok()?;
        headers.append(name, value);
    }
    let length = length(request.headers())?;
    Some((request, length))
}

/// How long the body behind this head is; `None`: it is not for us.
fn length(headers: &HeaderMap) -> Option<usize> {
    let mut length = 0;
    let (mut hosts, mut lengths) = (0, 0);
    for (name, value) in headers {
        match *name {
            HOST => hosts += 1,
            CONTENT_LENGTH => {
                lengths += 1;
                let is_number = value.as_bytes().iter().all(u8::is_ascii_digit);
                length = value.to_str().ok().filter(|_| is_number)?.parse().ok()?;
            }
            CONNECTION if !value.as_bytes().eq_ignore_ascii_case(b"keep-alive") => return None,
            EXPECT | TE | TRAILER | TRANSFER_ENCODING | UPGRADE => return None,
            _ => {}
        }
    }
    (hosts == 1 && lengths <= 1 && length <= MAX_BODY).then_some(length)
}

#[cfg(test)]
mod tests;
