//! Following what a process writes, from any place in its log to its end.

use std::sync::Arc;

use tokio::sync::watch;

use super::child::{Ending, Process};
use super::log::{Kind, Position, Source};
use super::readers::Reader;

/// How much a follower takes at once, in bytes: what is cut in the middle has to come again.
const PIECE: usize = 16 << 10;

/// Follows one process. It holds nothing but its own position: one that is slow costs no memory, and what it has yet
/// to read is kept for it.
#[derive(Debug)]
pub(crate) struct Follower {
    process: Arc<Process>,
    changes: watch::Receiver<()>,
    reader: Reader,
}

/// What a follower gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// Output, or what the agent wrote between two runs.
    Output(Source, Kind, Vec<u8>),
    /// So many bytes are not kept any more.
    Missing(Source, u64),
}

impl Follower {
    /// Follows `process` from `position` on.
    pub(crate) fn new(process: Arc<Process>, position: Position) -> Self {
        let changes = process.changes();
        let reader = process.readers.enter(position);
        Self { process, changes, reader }
    }

    /// Whom it follows.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The next thing that happens; nothing after the end of the process. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Followed> {
        loop {
            let (piece, ending) = self.process.output_since(self.reader.position(), PIECE);
            if let Some(piece) = piece {
                if let Some(missing) = self.missed(piece.source, piece.start) {
                    return Some(missing);
                }
                self.reader.advance(piece.source, piece.end());
                return Some(Followed::Output(piece.source, piece.kind, piece.bytes));
            }
            if let Ending::Over(totals) = ending {
                let ends = Source::BOTH.into_iter().zip(totals);
                return ends.into_iter().find_map(|(source, total)| self.missed(source, total));
            }
            if self.changes.changed().await.is_err() {
                return None;
            }
        }
    }

    fn missed(&mut self, source: Source, start: u64) -> Option<Followed> {
        let had = self.reader.position()[source as usize];
        let missing = start.checked_sub(had).filter(|missing| *missing > 0)?;
        self.reader.advance(source, start);
        Some(Followed::Missing(source, missing))
    }
}
