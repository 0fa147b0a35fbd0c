use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::{Dispatch, FaultKind};

/// How many attempts are kept without an allocation.
const INLINE: usize = 8;
/// How many attempts are kept at the most: the first ones and the newest. Those between are only counted.
const KEPT: usize = 256;

/// What an attempt brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seen {
    /// The head of an answer.
    Status(StatusCode),
    /// No usable answer.
    Fault(FaultKind),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            Self::Fault(kind) => kind.fmt(f),
        }
    }
}

/// One sending of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// What it brought.
    pub seen: Seen,
    /// Whether it can have been carried out.
    pub dispatch: Dispatch,
    /// How long after the start of the call it began.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// How long was to be waited after it; zero after the last one.
    pub wait: Duration,
}

impl Attempt {
    const BLANK: Self = Self {
        seen: Seen::Fault(FaultKind::Canceled),
        dispatch: Dispatch::Unknown,
        began: Duration::ZERO,
        took: Duration::ZERO,
        wait: Duration::ZERO,
    };
}

/// Every attempt of a call, in order.
#[derive(Clone)]
pub struct History {
    inline: [Attempt; INLINE],
    more: Vec<Attempt>,
    attempts: u32,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self { inline: [Attempt::BLANK; INLINE], more: Vec::new(), attempts: 0 }
    }

    pub(crate) fn push(&mut self, attempt: Attempt) {
        let at = self.attempts as usize;
        self.attempts = self.attempts.saturating_add(1);
        match self.inline.get_mut(at) {
            Some(place) => *place = attempt,
            None if at < KEPT => self.more.push(attempt),
            None => self.amend(attempt),
        }
    }

    /// Says something else of the newest attempt.
    pub(crate) fn amend(&mut self, attempt: Attempt) {
        let newest = self.len().min(INLINE).checked_sub(1);
        match (self.more.last_mut(), newest) {
            (Some(last), _) => *last = attempt,
            (None, Some(newest)) => self.inline[newest] = attempt,
            (None, None) => self.push(attempt),
        }
    }

    /// How often the request was sent, or was to be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.attempts as usize
    }

    /// Whether nothing was sent at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attempts == 0
    }

    /// The attempts; of more than 256 the first 255 and the last.
    pub fn iter(&self) -> impl Iterator<Item = &Attempt> {
        let inline = self.len().min(INLINE);
        self.inline[..inline].iter().chain(&self.more)
    }

    /// The last attempt.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        match self.more.last() {
            Some(last) => Some(last),
            None => self.inline[..self.len().min(INLINE)].last(),
        }
    }

    /// From the start of the call to the end of its last attempt.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.last().map_or(Duration::ZERO, |last| last.began.saturating_add(last.took))
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

/// The attempts, and none of the places that are kept for more.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.iter().count();
        for (at, attempt) in self.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            if at + 1 == kept && kept < self.len() {
                write!(f, "{} more, ", self.len() - kept)?;
            }
            attempt.seen.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Attempt {
        Attempt { seen: Seen::Status(StatusCode::from_u16(code).unwrap()), ..Attempt::BLANK }
    }

    #[test]
    fn attempts_are_kept_in_order() {
        let mut history = History::new();
        (0..20).for_each(|n| history.push(status(500 + n)));
        assert_eq!(history.len(), 20);
        assert_eq!(history.iter().map(|a| a.seen.to_string()).collect::<Vec<_>>()[18..], ["518", "519"]);
        assert_eq!(history.last(), Some(&status(519)));
    }

    #[test]
    fn of_very_many_attempts_the_first_and_the_last_are_kept() {
        let mut history = History::new();
        (0..999).for_each(|_| history.push(status(503)));
        history.push(status(200));
        assert_eq!((history.len(), history.iter().count()), (1000, KEPT));
        assert_eq!(history.last(), Some(&status(200)));
        assert!(history.to_string().ends_with("503, 744 more, 200"));
    }

    #[test]
    fn an_attempt_is_amended_wherever_it_is_kept() {
        for attempts in [1, 8, 9, 256, 1000] {
            let mut history = History::new();
            (0..attempts).for_each(|_| history.push(status(503)));
            history.amend(status(200));
            assert_eq!((history.len(), history.last()), (attempts, Some(&status(200))));
            assert_eq!(history.iter().filter(|attempt| **attempt == status(200)).count(), 1);
        }
    }
}
