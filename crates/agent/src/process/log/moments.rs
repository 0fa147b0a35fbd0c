//! When output came.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Position;

/// How many moments are kept. With more of them, each two become one.
const MOST: usize = 4096;
/// Output that came within so many milliseconds is of one moment, at first.
const APART: u64 = 1000;

/// When output came, roughly: what comes in one second counts as one moment, in a longer time where there is more of
/// it than is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Moments {
    /// In the order in which they came.
    all: VecDeque<Moment>,
    apart: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Moment {
    /// Its first and its last output, in milliseconds since 1970.
    first: u64,
    last: u64,
    /// How much had come before it.
    before: Position,
}

impl Moments {
    /// Output comes at `now`, behind what has come before.
    pub(super) fn output(&mut self, now: u64, before: Position) {
        let apart = self.apart.max(APART);
        match self.all.back_mut() {
            // A clock that was set back makes no moment of the past.
            Some(latest) if now < latest.first.saturating_add(apart) => latest.last = latest.last.max(now),
            _ => self.all.push_back(Moment { first: now, last: now, before }),
        }
        if self.all.len() > MOST {
            self.thin();
        }
    }

    /// Where the output begins that came at `at` or later; nothing where none has.
    pub(super) fn since(&self, at: u64) -> Option<Position> {
        self.all.iter().find(|moment| moment.last >= at).map(|moment| moment.before)
    }

    fn thin(&mut self) {
        self.apart = self.apart.max(APART) * 2;
        let mut kept = VecDeque::with_capacity(self.all.len() / 2 + 1);
        while let Some(moment) = self.all.pop_front() {
            let last = self.all.pop_front().map_or(moment.last, |next| next.last);
            kept.push_back(Moment { last, ..moment });
        }
        self.all = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_found_by_when_it_came() {
        let mut moments = Moments::default();
        moments.output(10_000, [0, 0]);
        moments.output(10_400, [5, 0]);
        moments.output(20_000, [9, 1]);
        assert_eq!(moments.since(0), Some([0, 0]));
        assert_eq!(moments.since(10_400), Some([0, 0]), "what came in one second is of one moment");
        assert_eq!(moments.since(10_401), Some([9, 1]));
        assert_eq!(moments.since(20_001), None);
    }

    #[test]
    fn a_long_log_is_known_more_roughly_and_never_begins_too_late() {
        let mut moments = Moments::default();
        for second in 0..100_000_u64 {
            moments.output(second * 1000, [second, 0]);
        }
        assert!(moments.all.len() <= MOST);
        for second in [0, 1, 4_095, 50_000, 99_999] {
            let [begun, _] = moments.since(second * 1000).unwrap();
            assert!(begun <= second && second - begun < 128, "{second}: {begun}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut moments = Moments::default();
        moments.output(50_000, [0, 0]);
        moments.output(10_000, [7, 0]);
        assert_eq!(moments.since(50_000), Some([0, 0]));
    }
}
