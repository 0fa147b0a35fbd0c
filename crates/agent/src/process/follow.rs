//! Following what a process writes, from the first byte that is kept to its end.

use std::sync::Arc;

use tokio::sync::watch;

use super::child::{Ending, Process};
use super::log::{Source, cut_line};

/// How much a follower takes at once, in bytes.
const PIECE: usize = 64 << 10;

/// Follows one process. It holds nothing but its own position: one that is slow costs no memory, and loses what the
/// log loses meanwhile.
#[derive(Debug)]
pub(crate) struct Follower {
    process: Arc<Process>,
    changes: watch::Receiver<()>,
    position: u64,
    /// How many bytes of each stream it has had or missed.
    accounted: [u64; 2],
}

/// What a follower gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// Output.
    Output(Source, Vec<u8>),
    /// A line that says that output is missing here.
    Cut(Source, String),
}

impl Follower {
    /// Follows `process` from the start of its log.
    pub(crate) fn new(process: Arc<Process>) -> Self {
        let changes = process.changes();
        Self { process, changes, position: 0, accounted: [0; 2] }
    }

    /// Whom it follows.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The next thing that happens; nothing after the end of the process. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Followed> {
        loop {
            let (piece, ending) = self.process.output_since(self.position, PIECE);
            if let Some(piece) = piece {
                if let Some(cut) = self.missed(piece.source, piece.start) {
                    return Some(cut);
                }
                self.position = piece.next;
                self.accounted[piece.source as usize] = piece.start + piece.bytes.len() as u64;
                return Some(Followed::Output(piece.source, piece.bytes));
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
        let had = std::mem::replace(&mut self.accounted[source as usize], start);
        (start > had).then(|| Followed::Cut(source, cut_line(source, start - had)))
    }
}
