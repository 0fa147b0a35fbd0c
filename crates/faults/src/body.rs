//! Bodies of answers: a few bytes, very many bytes, or bytes without end, at the same cost in memory.

use bytes::Bytes;

/// The largest piece of a body that is written at once.
pub(crate) const PIECE: usize = 16 * 1024;

/// What an answer carries.
#[derive(Clone, Debug)]
pub struct Body {
    pattern: Bytes,
    length: Option<u64>,
}

impl Body {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let pattern = bytes.into();
        Self { length: Some(pattern.len() as u64), pattern }
    }

    /// `length` bytes, made by repeating `pattern`; never held in memory as a whole.
    ///
    /// An empty pattern gives an empty body.
    #[must_use]
    pub fn repeat(pattern: impl Into<Bytes>, length: u64) -> Self {
        let pattern = widened(&pattern.into());
        Self { length: Some(if pattern.is_empty() { 0 } else { length }), pattern }
    }

    /// `pattern` over and over until the client goes away or the server ends.
    #[must_use]
    pub fn endless(pattern: impl Into<Bytes>) -> Self {
        let pattern = widened(&pattern.into());
        Self { length: if pattern.is_empty() { Some(0) } else { None }, pattern }
    }

    /// The number of bytes; `None` for a body without end.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The pieces to write, at most `limit` bytes in all.
    pub(crate) fn pieces(&self, limit: Option<u64>) -> Pieces<'_> {
        let left = match (self.length, limit) {
            (Some(length), Some(limit)) => Some(length.min(limit)),
            (length, limit) => length.or(limit),
        };
        Pieces { pattern: &self.pattern, at: 0, left }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::new(bytes)
    }
}

/// Short patterns are laid side by side so that a big body is not written byte by byte.
fn widened(pattern: &Bytes) -> Bytes {
    if pattern.is_empty() || pattern.len() >= PIECE {
        return pattern.clone();
    }
    Bytes::from(pattern.repeat(PIECE.div_ceil(pattern.len())))
}

pub(crate) struct Pieces<'a> {
    pattern: &'a Bytes,
    at: usize,
    left: Option<u64>,
}

impl Iterator for Pieces<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let wanted = self.left.map_or(PIECE, |left| usize::try_from(left).unwrap_or(PIECE).min(PIECE));
        let size = wanted.min(self.pattern.len() - self.at);
        if size == 0 {
            return None;
        }
        let piece = self.pattern.slice(self.at..self.at + size);
        self.at = (self.at + size) % self.pattern.len();
        self.left = self.left.map(|left| left - size as u64);
        Some(piece)
    }
}
