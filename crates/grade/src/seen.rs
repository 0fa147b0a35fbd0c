//! What a run brought: what arrived, and how the command ended.

use std::time::Duration;

use reveille_faults::Arrival;

use crate::answers::SANDBOX;
use crate::client::{Ended, How};
use crate::scenario::{Operation, Scenario};

/// One run of the command in one scenario.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) operation: Operation,
    pub(crate) scenario: Scenario,
    pub(crate) ended: Ended,
    /// What arrived at the sandbox, in order.
    pub(crate) arrivals: Vec<Arrival>,
}

impl Run {
    pub(crate) fn new(
        operation: Operation,
        scenario: Scenario,
        ended: Ended,
        mut arrivals: Vec<Arrival>,
    ) -> Self {
        arrivals.retain(|arrival| arrival.path().starts_with(SANDBOX));
        Self { operation, scenario, ended, arrivals }
    }

    /// The sendings of the operation itself, without what was asked beside it.
    pub(crate) fn sends(&self) -> impl Iterator<Item = &Arrival> {
        let (method, path) = self.operation.known_by();
        self.arrivals.iter().filter(move |arrival| {
            let below = arrival.path().strip_prefix(SANDBOX).unwrap_or_default();
            arrival.method == method && below.starts_with(path)
        })
    }

    /// Whether the command ended as after a success, and its operation was answered.
    pub(crate) fn succeeded(&self) -> bool {
        self.ended.how == How::Success
            && self.sends().last().is_some_and(|last| last.treatment.starts_with("200"))
    }

    /// How long after the first arrival the last sending came.
    pub(crate) fn arrived_after(&self) -> Option<Duration> {
        let (first, last) = (self.arrivals.first()?, self.sends().last()?);
        Some(last.at.saturating_sub(first.at))
    }

    /// The shortest time between what arrived first and what arrived next.
    pub(crate) fn first_gap(&self) -> Option<Duration> {
        let (first, second) = (self.arrivals.first()?, self.arrivals.get(1)?);
        Some(second.at.saturating_sub(first.at))
    }

    pub(crate) fn last_words(&self) -> String {
        last_words(&self.ended.error)
    }

    /// Whether a number stands in what the command said of its error, and not as the place of a line in a file.
    pub(crate) fn names(&self, number: u16) -> bool {
        let (said, number) = (&self.ended.error, number.to_string());
        said.match_indices(&number).any(|(at, _)| {
            let before = said[..at].chars().next_back();
            let after = said[at + number.len()..].chars().next();
            !before.is_some_and(|letter| letter.is_ascii_digit() || letter == ':')
                && !after.is_some_and(|letter| letter.is_ascii_digit())
        })
    }
}

/// The line of what the command said that tells most: the last one that speaks of an error, else the last one that is
/// more than a frame of a stack.
pub(crate) fn last_words(said: &str) -> String {
    let lines = || said.lines().map(str::trim_end).filter(|line| !line.starts_with(' ')).rev();
    let error = lines().find(|line| line.contains("Error") || line.contains("error"));
    let last = error.or_else(|| lines().find(|line| !line.is_empty())).unwrap_or_default();
    last.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saying(error: &str) -> Run {
        let ended = Ended { how: How::Failure, error: error.to_owned(), took: Duration::ZERO };
        Run::new(Operation::List, Scenario::Always(503), ended, Vec::new())
    }

    #[test]
    fn the_line_that_speaks_of_an_error_is_the_one_that_is_told() {
        let node =
            "file:///x.mjs:9\n  throw\n\nError: status 503\n    at x.mjs:9 {\n  code: 1\n}\n\nNode.js v20\n";
        assert_eq!(saying(node).last_words(), "Error: status 503");
        let python = "Traceback (most recent call last):\n  File \"x\"\nx.Problem: no\n";
        assert_eq!(saying(python).last_words(), "x.Problem: no");
        assert_eq!(saying("").last_words(), "");
        assert_eq!(saying(&"é\u{7}".repeat(1_000)).last_words().chars().count(), 200);
    }

    #[test]
    fn a_status_is_not_the_line_of_a_file() {
        for told in ["status 503", "HTTP 503: no", "(503)", "503"] {
            assert!(saying(told).names(503), "{told}");
        }
        for other in ["at x.js:503:1", "15030", "", "50"] {
            assert!(!saying(other).names(503), "{other}");
        }
    }
}
