//! The end of what a session has written.

use std::collections::VecDeque;

/// How much is kept, in bytes: some hundred screens of text.
pub(super) const KEPT: usize = 256 << 10;

/// The last [`KEPT`] bytes, and how many there were before them.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: VecDeque<u8>,
    cut: u64,
}

/// What there is from a position on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) bytes: Vec<u8>,
    /// How many bytes before it are gone.
    pub(super) missed: u64,
    /// The position behind it.
    pub(super) next: u64,
}

impl Backlog {
    /// One that begins with what was kept elsewhere, where `cut` bytes before it were not.
    pub(super) fn restored(bytes: Vec<u8>, cut: u64) -> Self {
        Self { bytes: bytes.into(), cut }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..surplus);
        self.cut += surplus as u64;
    }

    /// How many bytes there were in all.
    pub(super) fn total(&self) -> u64 {
        self.cut + self.bytes.len() as u64
    }

    pub(super) fn since(&self, from: u64) -> Rest {
        let begin = from.clamp(self.cut, self.total());
        let skip = usize::try_from(begin - self.cut).unwrap_or(self.bytes.len());
        let bytes = self.bytes.iter().skip(skip).copied().collect();
        Rest { bytes, missed: begin - from.min(begin), next: self.total() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_given_from_any_position() {
        let mut backlog = Backlog::default();
        backlog.append(b"abc");
        backlog.append(b"def");
        assert_eq!(backlog.since(2), Rest { bytes: b"cdef".to_vec(), missed: 0, next: 6 });
        assert_eq!(backlog.since(6), Rest { bytes: Vec::new(), missed: 0, next: 6 });
        assert_eq!(backlog.since(60), Rest { bytes: Vec::new(), missed: 0, next: 6 });
    }

    #[test]
    fn the_oldest_goes_first_and_is_counted() {
        let mut backlog = Backlog::default();
        backlog.append(&[b'a'; KEPT]);
        backlog.append(b"bcd");
        let rest = backlog.since(1);
        assert_eq!((rest.missed, rest.bytes.len(), rest.next), (2, KEPT, KEPT as u64 + 3));
        assert!(rest.bytes.ends_with(b"abcd"));
    }
}
