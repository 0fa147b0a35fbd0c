//! A body in chunks (RFC 9112, section 7.1).

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use reveille_wire::hop;

use super::framing::Step;

/// The longest line with the size of a chunk, its extensions included, and the longest trailers, in bytes.
const MAX_LINES: usize = 16 * 1024;

/// How far it has come.
#[derive(Debug, Default)]
pub(super) enum Chunks {
    /// Before the size of one.
    #[default]
    Size,
    /// So many bytes of one are still to come.
    Data(u64),
    /// Behind the data of one.
    Behind,
    Trailers,
    Over,
}

impl Chunks {
    pub(super) fn step(&mut self, came: &mut BytesMut) -> Result<Step, &'static str> {
        loop {
            match self {
                Self::Size => {
                    let Some(end) = line_end(came)? else { return Ok(Step::Short) };
                    let size = size(&came[..end])?;
                    came.advance(end + 2);
                    *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                }
                Self::Data(_) if came.is_empty() => return Ok(Step::Short),
                Self::Data(left) => {
                    let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(came.len());
                    *left -= piece as u64;
                    if *left == 0 {
                        *self = Self::Behind;
                    }
                    return Ok(Step::Data(came.split_to(piece).freeze()));
                }
                Self::Behind => match came.get(..2) {
                    None => return Ok(Step::Short),
                    Some(b"\r\n") => {
                        came.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err("a chunk is longer than it says"),
                },
                Self::Trailers => return self.trailers(came),
                Self::Over => return Ok(Step::End),
            }
        }
    }

    fn trailers(&mut self, came: &mut BytesMut) -> Result<Step, &'static str> {
        if came.starts_with(b"\r\n") {
            came.advance(2);
            *self = Self::Over;
            return Ok(Step::End);
        }
        let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if came.len() > MAX_LINES { Err("the trailers are too large") } else { Ok(Step::Short) };
        };
        let trailers = fields(&came.split_to(end + 4))?;
        *self = Self::Over;
        Ok(Step::Trailers(trailers))
    }

    pub(super) fn are_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// How much of the chunk that has begun is still to come, in bytes.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Data(left) => *left,
            Self::Size | Self::Behind | Self::Trailers | Self::Over => 0,
        }
    }
}

/// Where the first line ends.
fn line_end(came: &[u8]) -> Result<Option<usize>, &'static str> {
    match came.iter().position(|byte| *byte == b'\n') {
        Some(at) if at > 0 && came[at - 1] == b'\r' && at <= MAX_LINES => Ok(Some(at - 1)),
        None if came.len() <= MAX_LINES => Ok(None),
        Some(_) | None => Err("the size of a chunk is no line"),
    }
}

/// The size that a line says, in hexadecimal digits; its extensions mean nothing to a proxy.
fn size(line: &[u8]) -> Result<u64, &'static str> {
    const NO_SIZE: &str = "a chunk says no size";
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    if !matches!(rest.trim_ascii_start(), [] | [b';', ..]) {
        return Err(NO_SIZE);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| NO_SIZE)?;
    u64::from_str_radix(digits, 16).map_err(|_| NO_SIZE)
}

fn fields(bytes: &[u8]) -> Result<HeaderMap, &'static str> {
    const NO_FIELDS: &str = "the trailers are no headers";
    let mut space = [httparse::EMPTY_HEADER; hop::MAX_HEADERS];
    let parsed = httparse::parse_headers(bytes, &mut space).map_err(|_| NO_FIELDS)?;
    let httparse::Status::Complete((_, found)) = parsed else { return Err(NO_FIELDS) };
    let mut trailers = HeaderMap::with_capacity(found.len());
    for field in found {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NO_FIELDS)?;
        trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| NO_FIELDS)?);
    }
    Ok(trailers)
}
