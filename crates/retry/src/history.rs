use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::{Dispatch, FaultKind, StopReason};

/// How many attempts are kept without an allocation.
const INLINE: usize = 1;
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
    /// How long was to be waited after it by the schedule; zero after the last one, and where the word of the
    /// sandbox was waited for instead.
    pub wait: Duration,
    /// How long the word of the sandbox was waited for before it.
    pub waited_for_probe: Duration,
}

impl Attempt {
    const BLANK: Self = Self {
        seen: Seen::Fault(FaultKind::Canceled),
        dispatch: Dispatch::Unknown,
        began: Duration::ZERO,
        took: Duration::ZERO,
        wait: Duration::ZERO,
        waited_for_probe: Duration::ZERO,
    };
}

/// Every attempt of a call, in order.
#[derive(Clone)]
pub struct History {
    inline: [Attempt; INLINE],
    more: Vec<Attempt>,
    attempts: u32,
    /// How long the word of the sandbox was waited for since the newest attempt.
    waited_for_probe: Duration,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self {
            inline: [Attempt::BLANK; INLINE],
            more: Vec::new(),
            attempts: 0,
            waited_for_probe: Duration::ZERO,
        }
    }

    pub(crate) fn push(&mut self, mut attempt: Attempt) {
        attempt.waited_for_probe = std::mem::take(&mut self.waited_for_probe);
        let at = self.attempts as usize;
        self.attempts = self.attempts.saturating_add(1);
        match self.inline.get_mut(at) {
            Some(place) => *place = attempt,
            None if at < KEPT => self.more.push(attempt),
            None => {
                if let Some(last) = self.last_mut() {
                    *last = attempt;
                }
            }
        }
    }

    /// Says something else of the newest attempt; what was waited before it stays.
    pub(crate) fn amend(&mut self, attempt: Attempt) {
        match self.last_mut() {
            Some(last) => *last = Attempt { waited_for_probe: last.waited_for_probe, ..attempt },
            None => self.push(attempt),
        }
    }

    /// Says that the word of the sandbox was waited for, in place of the wait that was planned.
    pub(crate) fn wait_for_probe(&mut self, waited: Duration) {
        self.waited_for_probe = self.waited_for_probe.saturating_add(waited);
        if let Some(last) = self.last_mut() {
            last.wait = Duration::ZERO;
        }
    }

    fn last_mut(&mut self) -> Option<&mut Attempt> {
        let newest = self.len().min(INLINE).checked_sub(1)?;
        match self.more.last_mut() {
            Some(last) => Some(last),
            None => self.inline.get_mut(newest),
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

    /// How long the word of the sandbox was waited for, in all: before attempts, and after the last one.
    #[must_use]
    pub fn waited_for_probe(&self) -> Duration {
        let before = self.iter().map(|attempt| attempt.waited_for_probe);
        before.fold(self.waited_for_probe, Duration::saturating_add)
    }

    /// Whether the request can have been carried out before the answer, or the end, that the caller is told of.
    ///
    /// Every attempt counts that is not proven to have stayed undispatched, but for a last one whose answer was
    /// delivered: that answer says by itself what became of it. `stop` is why nothing was sent again, `None`
    /// where the last answer was delivered.
    ///
    /// ```
    /// use http::{HeaderMap, StatusCode};
    /// use reveille_retry::{Head, Replay, RetryPolicy, Session, Tick, Verdict};
    ///
    /// let headers = HeaderMap::new();
    /// let mut put = Session::new(&RetryPolicy::new(), Replay::Vouched, 7);
    /// for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::CONFLICT] {
    ///     put.begin(Tick::ZERO)?;
    ///     put.on_head(Tick::ZERO, &Head::new(status, &headers));
    /// }
    /// // The conflict may be with what the first attempt did.
    /// assert!(put.history().may_have_run(None));
    /// # Ok::<(), reveille_retry::StopReason>(())
    /// ```
    #[must_use]
    pub fn may_have_run(&self, stop: Option<StopReason>) -> bool {
        let Some(last) = self.last() else { return false };
        let earlier = self.iter().take(self.iter().count().saturating_sub(1));
        let delivered = stop.is_none() && matches!(last.seen, Seen::Status(_));
        let in_doubt = |attempt: &Attempt| !matches!(attempt.dispatch, Dispatch::NotDispatched(_));
        earlier.chain((!delivered).then_some(last)).any(in_doubt)
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
            if !attempt.waited_for_probe.is_zero() {
                waited(attempt.waited_for_probe, f)?;
                f.write_str(", ")?;
            }
            attempt.seen.fmt(f)?;
        }
        if !self.waited_for_probe.is_zero() {
            f.write_str(if kept == 0 { "" } else { ", " })?;
            waited(self.waited_for_probe, f)?;
        }
        Ok(())
    }
}

fn waited(wait: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match wait.as_millis() {
        0 => f.write_str("waited less than 1 ms for the probe"),
        millis @ 1..1_000 => write!(f, "waited {millis} ms for the probe"),
        _ => write!(f, "waited {:.1} s for the probe", wait.as_secs_f64()),
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
