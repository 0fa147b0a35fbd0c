//! What a process has written, as far as it is kept.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How much of each stream is kept, in bytes, the notes on the order of arrival included. What is older is gone, and
/// whoever reads is told so.
pub(crate) const KEPT: usize = 4 << 20;

/// What noting one run costs.
const RUN: usize = size_of::<Run>();

/// Where output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Source {
    /// Both, in the order in which they are kept.
    pub(crate) const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// The tail of both streams, with the order in which it arrived.
///
/// Each stream is kept by itself, so that a loud one does not push out what a quiet one said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Log {
    stdout: Kept,
    stderr: Kept,
    /// How many bytes have arrived in all.
    arrived: u64,
}

/// The tail of one stream.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Carried beside the rest when the log moves to another program.
    #[serde(skip)]
    bytes: VecDeque<u8>,
    runs: VecDeque<Run>,
    /// How many bytes came before the first that is kept.
    cut: u64,
}

/// Bytes of one stream that arrived with none of the other between them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    /// How many bytes of both streams arrived before it.
    at: u64,
    /// How many bytes of its own stream came before it.
    start: u64,
    len: u64,
}

impl Run {
    fn end(&self) -> u64 {
        self.at + self.len
    }
}

/// Some output, as a follower gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    pub(crate) bytes: Vec<u8>,
    /// How many bytes of its stream came before it.
    pub(crate) start: u64,
    /// Where the next piece is looked for.
    pub(crate) next: u64,
}

impl Log {
    /// Adds what came from `source`.
    pub(crate) fn append(&mut self, source: Source, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let at = self.arrived;
        self.arrived += bytes.len() as u64;
        self.kept_mut(source).append(at, bytes);
    }

    /// The first output at or after position `from`, at most `most` bytes of it.
    pub(crate) fn since(&self, from: u64, most: usize) -> Option<Piece> {
        let next = |source: Source| {
            let run = *self.kept(source).run_at(from)?;
            Some((source, run))
        };
        let (source, run) = match (next(Source::Stdout), next(Source::Stderr)) {
            (Some(out), Some(err)) if err.1.at < out.1.at => Some(err),
            (Some(out), _) => Some(out),
            (None, err) => err,
        }?;
        let begin = from.max(run.at);
        let start = run.start + (begin - run.at);
        let len = (run.end() - begin).min(most as u64);
        let bytes = self.kept(source).copy(start, len);
        Some(Piece { source, bytes, start, next: begin + len })
    }

    /// How many bytes of `source` there have been, whether or not they are kept.
    pub(crate) fn total(&self, source: Source) -> u64 {
        self.kept(source).total()
    }

    /// The end of one stream, at most `most` bytes; with a line that says so in front where the log itself was cut.
    pub(crate) fn text(&self, source: Source, most: usize) -> String {
        let kept = self.kept(source);
        let start = kept.cut.max(kept.total().saturating_sub(most as u64));
        let bytes = kept.copy(start, kept.total() - start);
        let mut text = if most < KEPT { String::new() } else { cut_line(source, kept.cut) };
        text.push_str(&lossy(&bytes, start));
        text
    }

    /// The ends of both streams in the order in which they came, each as [`Log::text`] has it.
    pub(crate) fn both(&self, most: usize) -> String {
        let mut bytes = Vec::new();
        let mut text = String::new();
        let starts = Source::BOTH.map(|source| self.total(source).saturating_sub(most as u64));
        if most >= KEPT {
            text.extend(Source::BOTH.map(|source| cut_line(source, self.kept(source).cut)));
        }
        let mut from = 0;
        while let Some(piece) = self.since(from, usize::MAX) {
            from = piece.next;
            let before = starts[piece.source as usize].saturating_sub(piece.start) as usize;
            bytes.extend_from_slice(piece.bytes.get(before..).unwrap_or_default());
        }
        text.push_str(&lossy(&bytes, starts[0].max(starts[1])));
        text
    }

    /// How much memory it takes, about.
    pub(crate) fn size(&self) -> usize {
        self.stdout.size() + self.stderr.size()
    }

    /// Lets go of everything that is kept.
    pub(crate) fn forget(&mut self) {
        for source in Source::BOTH {
            let kept = self.kept_mut(source);
            *kept = Kept { cut: kept.total(), ..Kept::default() };
        }
    }

    /// The bytes of one stream, for carrying them to another program.
    pub(crate) fn bytes(&self, source: Source) -> (&[u8], &[u8]) {
        self.kept(source).bytes.as_slices()
    }

    /// Takes up the bytes that were carried here; if they are not those that the log knows of, it goes on without.
    pub(crate) fn restore(&mut self, source: Source, bytes: Vec<u8>) {
        let kept = self.kept_mut(source);
        let known: u64 = kept.runs.iter().map(|run| run.len).sum();
        if known == bytes.len() as u64 {
            kept.bytes = bytes.into();
        } else {
            *kept = Kept { cut: kept.cut + known, ..Kept::default() };
        }
    }

    /// The log without its bytes, for carrying it to another program.
    pub(crate) fn without_bytes(&self) -> Self {
        let bare = |kept: &Kept| Kept { bytes: VecDeque::new(), runs: kept.runs.clone(), cut: kept.cut };
        Self { stdout: bare(&self.stdout), stderr: bare(&self.stderr), arrived: self.arrived }
    }

    fn kept(&self, source: Source) -> &Kept {
        match source {
            Source::Stdout => &self.stdout,
            Source::Stderr => &self.stderr,
        }
    }

    fn kept_mut(&mut self, source: Source) -> &mut Kept {
        match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        }
    }
}

impl Kept {
    fn append(&mut self, at: u64, bytes: &[u8]) {
        let (start, len) = (self.total(), bytes.len() as u64);
        self.bytes.extend(bytes);
        match self.runs.back_mut() {
            Some(last) if last.end() == at => last.len += len,
            _ => self.runs.push_back(Run { at, start, len }),
        }
        while self.size() > KEPT {
            self.cut_front((self.size() - KEPT) as u64);
        }
    }

    /// Cuts at most `len` bytes, and at most one run.
    fn cut_front(&mut self, len: u64) {
        let Some(first) = self.runs.front_mut() else { return };
        let len = len.min(first.len);
        (first.at, first.start, first.len) = (first.at + len, first.start + len, first.len - len);
        if first.len == 0 {
            self.runs.pop_front();
        }
        self.bytes.drain(..len as usize);
        self.cut += len;
    }

    fn run_at(&self, from: u64) -> Option<&Run> {
        self.runs.get(self.runs.partition_point(|run| run.end() <= from))
    }

    fn copy(&self, start: u64, len: u64) -> Vec<u8> {
        let begin = (start - self.cut) as usize;
        let end = begin + len as usize;
        let (front, back) = self.bytes.as_slices();
        let middle = front.len();
        let mut copy = Vec::with_capacity(len as usize);
        copy.extend_from_slice(&front[begin.min(middle)..end.min(middle)]);
        copy.extend_from_slice(&back[begin.saturating_sub(middle)..end.saturating_sub(middle)]);
        copy
    }

    fn total(&self) -> u64 {
        self.cut + self.bytes.len() as u64
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.runs.len() * RUN
    }
}

/// The line that stands where output is missing; nothing when none is.
pub(crate) fn cut_line(source: Source, bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        bytes => {
            format!("[{bytes} bytes of {source} are not shown: the log keeps the last 4 MiB of a stream]\n")
        }
    }
}

/// Text, with a letter that was cut in half at the front left out.
fn lossy(bytes: &[u8], cut: u64) -> String {
    let is_middle = |byte: &&u8| (**byte & 0xC0) == 0x80;
    let skip = if cut == 0 { 0 } else { bytes.iter().take(3).take_while(is_middle).count() };
    String::from_utf8_lossy(&bytes[skip..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Source::{Stderr, Stdout};

    fn log(parts: &[(Source, &str)]) -> Log {
        let mut log = Log::default();
        for (source, text) in parts {
            log.append(*source, text.as_bytes());
        }
        log
    }

    #[test]
    fn both_streams_are_kept_apart_and_in_order() {
        let log = log(&[(Stdout, "a\n"), (Stderr, "b\n"), (Stdout, "c"), (Stdout, "d\n")]);
        assert_eq!(log.text(Stdout, KEPT), "a\ncd\n");
        assert_eq!(log.text(Stderr, KEPT), "b\n");
        assert_eq!(log.both(KEPT), "a\nb\ncd\n");
    }

    #[test]
    fn a_follower_gets_everything_once_from_any_position() {
        let log = log(&[(Stdout, "one"), (Stderr, "two"), (Stdout, "three")]);
        for most in 1..6 {
            let mut seen = String::new();
            let mut from = 0;
            while let Some(piece) = log.since(from, most) {
                assert!(piece.bytes.len() <= most && piece.next > from);
                seen.push_str(std::str::from_utf8(&piece.bytes).unwrap());
                from = piece.next;
            }
            assert_eq!(seen, "onetwothree");
        }
    }

    #[test]
    fn a_loud_stream_loses_its_own_head_only_and_says_so() {
        let mut log = log(&[(Stderr, "quiet\n")]);
        for _ in 0..100 {
            log.append(Stdout, &[b'x'; 100_000]);
        }
        assert_eq!(log.text(Stderr, KEPT), "quiet\n");
        let text = log.text(Stdout, KEPT);
        assert!(text.starts_with("[5") && text.contains("bytes of stdout are not shown"), "{}", &text[..80]);
        assert_eq!(log.total(Stdout), 10_000_000);
        assert!(log.size() <= 2 * KEPT);
        assert_eq!(log.text(Stdout, 64), "x".repeat(64));
    }

    #[test]
    fn output_in_single_bytes_is_bounded_too() {
        let mut log = Log::default();
        for _ in 0..400_000 {
            log.append(Stdout, b"o");
            log.append(Stderr, b"e");
        }
        assert!(log.size() <= 2 * KEPT);
        let first = log.since(0, 10).unwrap();
        assert!(first.start > 0, "the head is gone, and the piece says where it stands");
    }

    #[test]
    fn half_a_letter_at_the_cut_is_left_out() {
        let log = log(&[(Stdout, "äöü")]);
        assert_eq!(log.text(Stdout, 3), "ü");
        assert_eq!(log.both(3), "ü");
    }

    #[test]
    fn what_was_forgotten_still_counts() {
        let mut log = log(&[(Stdout, "abc")]);
        log.forget();
        assert_eq!((log.total(Stdout), log.since(0, 9)), (3, None));
        assert!(log.text(Stdout, KEPT).starts_with("[3 bytes"));
    }
}
