//! What a process has written, as far as it is kept.

mod moments;
mod place;
mod store;
mod stream;

use std::io;
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use reveille_wire::OutputStream as Source;
use serde::{Deserialize, Serialize};

use self::moments::Moments;
pub(crate) use self::place::Place;
pub(crate) use self::store::SavedBytes;
pub(crate) use self::stream::Kind;
use self::stream::{Next, SavedStream, Stream};

/// A place in a log: how many bytes of each stream come before it.
pub(crate) type Position = [u64; 2];

/// The tail of both streams, with the order in which it arrived.
///
/// Each stream is kept by itself, so that a loud one does not push out what a quiet one said.
#[derive(Debug)]
pub(crate) struct Log {
    streams: [Stream; 2],
    /// How many bytes have arrived in all.
    arrived: u64,
    moments: Moments,
}

/// Some output, as a follower gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    /// How many bytes of its stream came before it.
    pub(crate) start: u64,
}

impl Piece {
    /// How many bytes of its stream there are up to its end.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// What it costs to keep a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// In bytes.
    pub(crate) in_memory: u64,
    /// In bytes.
    pub(crate) in_files: u64,
    /// How many files are open for it.
    pub(crate) files: u64,
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        self.in_memory += other.in_memory;
        self.in_files += other.in_files;
        self.files += other.files;
    }
}

impl SubAssign for Weight {
    fn sub_assign(&mut self, other: Self) {
        self.in_memory -= other.in_memory;
        self.in_files -= other.in_files;
        self.files -= other.files;
    }
}

/// A log on its way to another program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedLog {
    streams: [SavedStream; 2],
    arrived: u64,
    /// An earlier agent knew of none.
    #[serde(default)]
    moments: Moments,
}

impl SavedLog {
    /// For each stream how many bytes go beside it, or nothing where it goes as a file.
    pub(crate) fn in_memory(&self) -> [Option<u64>; 2] {
        self.streams.each_ref().map(|stream| stream.store.in_memory())
    }
}

impl Log {
    /// An empty one.
    pub(crate) fn new(place: &Arc<Place>) -> Self {
        let streams = [(); 2].map(|()| Stream::new(Arc::clone(place)));
        Self { streams, arrived: 0, moments: Moments::default() }
    }

    /// Adds what came from `source`.
    pub(crate) fn append(&mut self, source: Source, bytes: &[u8]) {
        self.add(source, Kind::Output, bytes);
    }

    /// Adds a line of the agent's own, between two runs of the process.
    pub(crate) fn note(&mut self, source: Source, line: &str) {
        self.add(source, Kind::Restart, line.as_bytes());
    }

    fn add(&mut self, source: Source, kind: Kind, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.moments.output(now(), self.totals());
        let at = self.arrived;
        self.arrived += bytes.len() as u64;
        self.streams[source as usize].append(at, kind, bytes);
    }

    /// What came first of all that is at or after `from`, at most `most` bytes of it.
    pub(crate) fn since(&self, from: Position, most: usize) -> io::Result<Option<Piece>> {
        let next = |source: Source| Some((source, self.stream(source).next_at(from[source as usize])?));
        let first = Source::BOTH.into_iter().filter_map(next).min_by_key(|(_, next)| next.at);
        let Some((source, Next { start, len, kind, .. })) = first else { return Ok(None) };
        let bytes = self.stream(source).store().copy(start, len.min(most as u64))?;
        Ok(Some(Piece { source, kind, bytes, start }))
    }

    /// How many bytes of each stream there have been, whether or not they are kept.
    pub(crate) fn totals(&self) -> Position {
        self.streams.each_ref().map(|stream| stream.store().total())
    }

    /// Where the output begins that came at `at` or later, in milliseconds since 1970.
    pub(crate) fn position_at(&self, at: u64) -> Position {
        self.moments.since(at).unwrap_or_else(|| self.totals())
    }

    /// How many bytes of each stream are not kept any more.
    #[cfg(test)]
    fn cut(&self) -> Position {
        self.streams.each_ref().map(|stream| stream.store().cut())
    }

    /// How many bytes of `source` can come before one at `position` is overwritten.
    pub(crate) fn room_after(&self, source: Source, position: u64) -> u64 {
        self.stream(source).store().room_after(position)
    }

    /// Whether a look at it may have to wait for a disk.
    pub(crate) fn is_in_file(&self) -> bool {
        self.streams.iter().any(|stream| stream.store().is_in_file())
    }

    /// The end of one stream, at most `most` bytes.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub(crate) fn text(&self, source: Source, most: usize) -> io::Result<String> {
        let store = self.stream(source).store();
        let start = self.tail(source, most);
        Ok(lossy(&store.copy(start, u64::MAX)?, start))
    }

    /// The ends of both streams in the order in which they came, each as [`Log::text`] has it.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub(crate) fn both(&self, most: usize) -> io::Result<String> {
        let starts = Source::BOTH.map(|source| self.tail(source, most));
        let mut bytes = Vec::new();
        let mut from = starts;
        while let Some(piece) = self.since(from, usize::MAX)? {
            from[piece.source as usize] = piece.end();
            bytes.extend_from_slice(&piece.bytes);
        }
        Ok(lossy(&bytes, starts[0].max(starts[1])))
    }

    /// How many bytes of one stream come before the last `most` that are kept.
    pub(crate) fn tail(&self, source: Source, most: usize) -> u64 {
        let store = self.stream(source).store();
        store.cut().max(store.total().saturating_sub(most as u64))
    }

    /// What it costs to keep it.
    pub(crate) fn weight(&self) -> Weight {
        let mut all = Weight::default();
        self.streams.iter().for_each(|stream| all += stream.weight());
        all
    }

    /// Lets go of everything that is kept.
    pub(crate) fn forget(&mut self) {
        self.streams.iter_mut().for_each(Stream::forget);
    }

    /// What is to be known of it, and the bytes of both streams.
    ///
    /// # Errors
    /// When a file cannot be handed on.
    pub(crate) fn save(&self) -> io::Result<(SavedLog, [SavedBytes; 2])> {
        let [(stdout, out), (stderr, err)] = [self.streams[0].save()?, self.streams[1].save()?];
        let moments = self.moments.clone();
        Ok((SavedLog { streams: [stdout, stderr], arrived: self.arrived, moments }, [out, err]))
    }

    /// Takes up what [`Log::save`] gave.
    pub(crate) fn restored(saved: SavedLog, bytes: [SavedBytes; 2], place: &Arc<Place>) -> Self {
        let ([stdout, stderr], [out, err]) = (saved.streams, bytes);
        let streams =
            [(stdout, out), (stderr, err)].map(|(stream, bytes)| Stream::restored(stream, bytes, place));
        Self { streams, arrived: saved.arrived, moments: saved.moments }
    }

    fn stream(&self, source: Source) -> &Stream {
        &self.streams[source as usize]
    }
}

/// Now, in milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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

    const MORE_THAN_KEPT: usize = 100 << 20;

    fn empty() -> Log {
        Log::new(&Arc::new(Place::of_bound(4 << 20)))
    }

    fn log(parts: &[(Source, &str)]) -> Log {
        let mut log = empty();
        for (source, text) in parts {
            log.append(*source, text.as_bytes());
        }
        log
    }

    #[test]
    fn both_streams_are_kept_apart_and_in_order() {
        let log = log(&[(Stdout, "a\n"), (Stderr, "b\n"), (Stdout, "c"), (Stdout, "d\n")]);
        assert_eq!(log.text(Stdout, MORE_THAN_KEPT).unwrap(), "a\ncd\n");
        assert_eq!(log.text(Stderr, MORE_THAN_KEPT).unwrap(), "b\n");
        assert_eq!(log.both(MORE_THAN_KEPT).unwrap(), "a\nb\ncd\n");
    }

    #[test]
    fn a_follower_gets_everything_once_from_any_position() {
        let log = log(&[(Stdout, "one"), (Stderr, "two"), (Stdout, "three")]);
        for most in 1..6 {
            let mut seen = String::new();
            let mut from = [0; 2];
            while let Some(piece) = log.since(from, most).unwrap() {
                assert!(piece.bytes.len() <= most && piece.end() > from[piece.source as usize]);
                seen.push_str(std::str::from_utf8(&piece.bytes).unwrap());
                from[piece.source as usize] = piece.end();
            }
            assert_eq!((seen.as_str(), from), ("onetwothree", [8, 3]));
        }
        let behind_the_first_run = log.since([3, 1], 9).unwrap().unwrap();
        assert_eq!((behind_the_first_run.bytes.as_slice(), behind_the_first_run.start), (&b"wo"[..], 1));
    }

    #[test]
    fn a_loud_stream_loses_its_own_head_only_and_the_log_knows_how_much() {
        let mut log = log(&[(Stderr, "quiet\n")]);
        for _ in 0..100 {
            log.append(Stdout, &[b'x'; 100_000]);
        }
        assert_eq!(log.text(Stderr, MORE_THAN_KEPT).unwrap(), "quiet\n");
        let text = log.text(Stdout, MORE_THAN_KEPT).unwrap();
        assert_eq!(log.totals(), [10_000_000, 6]);
        assert_eq!((text.len() as u64 + log.cut()[0], log.cut()[1]), (10_000_000, 0));
        assert_eq!(log.text(Stdout, 64).unwrap(), "x".repeat(64));
        assert_eq!(log.since([0, 6], 10).unwrap().unwrap().start, log.cut()[0]);
    }

    #[test]
    fn output_in_single_bytes_is_bounded_too_and_none_of_it_is_lost() {
        let mut log = empty();
        for _ in 0..100_000 {
            log.append(Stdout, b"o");
            log.append(Stderr, b"e");
        }
        assert!(log.streams.iter().all(|stream| stream.runs() <= 32 << 10));
        let text = log.both(MORE_THAN_KEPT).unwrap();
        assert_eq!(text.bytes().filter(|byte| *byte == b'o').count(), 100_000);
        assert_eq!(text.len(), 200_000);
        assert!(text.ends_with("oeoeoeoe"));
    }

    #[test]
    fn half_a_letter_at_the_cut_is_left_out() {
        let log = log(&[(Stdout, "äöü")]);
        assert_eq!(log.text(Stdout, 3).unwrap(), "ü");
        assert_eq!(log.both(3).unwrap(), "ü");
    }

    #[test]
    fn what_was_forgotten_still_counts() {
        let mut log = log(&[(Stdout, "abc")]);
        log.forget();
        assert_eq!((log.totals(), log.cut()), ([3, 0], [3, 0]));
        assert_eq!(log.since([0; 2], 9).unwrap(), None);
    }

    #[test]
    fn a_line_of_the_agents_own_is_told_from_what_the_process_said() {
        let mut log = log(&[(Stdout, "a")]);
        log.note(Stdout, "again\n");
        log.append(Stdout, b"b");
        let kinds: Vec<_> = [0, 1, 7].map(|at| log.since([at, 0], 99).unwrap().unwrap().kind).into();
        assert_eq!(kinds, [Kind::Output, Kind::Restart, Kind::Output]);
    }
}
