use std::time::Duration;

use crate::backoff::{SplitMix64, exponential};
use crate::{RetryPolicy, Tick};

/// How many waits a call looks ahead. More than that are never reached by a call that ends in this century.
const AHEAD: u32 = 1024;

/// One wait of a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// How long, jitter included.
    pub(crate) whole: Duration,
    pub(crate) jitter: Duration,
}

/// The waits of one call, in their order, as its policy and its seed give them.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    random: SplitMix64,
    /// The next wait, where it is known already, or a part of it has passed.
    next: Option<Wait>,
    /// How many retries are spent.
    pub(crate) spent: u32,
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: SplitMix64::new(seed), next: None, spent: 0 }
    }

    /// The wait before the next retry. It spends nothing.
    pub(crate) fn next(&mut self, policy: &RetryPolicy) -> Wait {
        self.next.take().unwrap_or_else(|| {
            let jitter = self.random.below(policy.jitter);
            let whole = exponential(policy, self.spent.saturating_add(1)).saturating_add(jitter);
            Wait { whole, jitter }
        })
    }

    /// When it sends for the last time, where the wait that was `granted` for the next attempt begins at `now`.
    pub(crate) fn last(&self, policy: &RetryPolicy, now: Tick, granted: Option<Duration>, end: Tick) -> Tick {
        let mut rest = self.clone();
        let mut at = now.after(granted.unwrap_or_default());
        let last = policy.retries.min(self.spent.saturating_add(AHEAD));
        while rest.spent < last && at < end {
            at = at.after(rest.next(policy).whole);
            rest.spent += 1;
        }
        at.min(end)
    }

    /// Lets time pass without sending: the retries whose moments have come are spent, and what follows keeps its
    /// place.
    pub(crate) fn pass(&mut self, policy: &RetryPolicy, waited: Duration, granted: Option<Duration>) {
        let granted = granted.unwrap_or_default();
        if waited < granted && self.spent < policy.retries {
            let next = self.next(policy);
            let early = granted.saturating_sub(waited);
            self.next = Some(Wait { whole: next.whole.saturating_add(early), ..next });
            return;
        }
        let mut rest = waited.saturating_sub(granted);
        for _ in 0..AHEAD {
            if self.spent >= policy.retries {
                return;
            }
            let next = self.next(policy);
            if rest < next.whole {
                self.next = Some(Wait { whole: next.whole.saturating_sub(rest), ..next });
                return;
            }
            rest = rest.saturating_sub(next.whole);
            self.spent += 1;
        }
    }
}
