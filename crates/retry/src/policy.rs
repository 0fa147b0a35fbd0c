use std::fmt;
use std::time::Duration;

use crate::StatusSet;

/// How often, how long and for what a call is tried again.
///
/// The default is the seed behaviour: 5 retries, and before retry *n* a wait of
/// `min(2.0 s, 0.2 s * 2^(n-1)) + uniform[0, 0.2 s)`, which is 5.0 s at the least over all five.
///
/// ```
/// use std::time::Duration;
/// use reveille_retry::RetryPolicy;
///
/// const PATIENT: RetryPolicy = match RetryPolicy::builder().retries(8).limit(Duration::from_secs(30)).build() {
///     Ok(policy) => policy,
///     Err(_) => panic!("checked when this is compiled"),
/// };
/// assert_eq!(PATIENT.retries(), 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    pub(crate) retries: u32,
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
    pub(crate) jitter: Duration,
    pub(crate) statuses: StatusSet,
    pub(crate) server_delay_cap: Duration,
    pub(crate) limit: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
}

impl RetryPolicy {
    /// The seed behaviour.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            retries: 5,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(2),
            jitter: Duration::from_millis(200),
            statuses: StatusSet::TRANSIENT,
            server_delay_cap: Duration::from_secs(30),
            limit: None,
            attempt_timeout: None,
        }
    }

    /// For workloads that wake slowly: waits from 0.5 s to 30 s, inside 60 s in all, as the platform's
    /// documentation advises for `WORKLOAD_UNAVAILABLE`.
    #[must_use]
    pub const fn standby() -> Self {
        Self {
            retries: 100,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            jitter: Duration::from_millis(500),
            limit: Some(Duration::from_secs(60)),
            ..Self::new()
        }
    }

    /// One send, whatever comes.
    #[must_use]
    pub const fn never() -> Self {
        Self { retries: 0, ..Self::new() }
    }

    /// A policy of one's own, which starts as the seed.
    pub const fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder(Self::new())
    }

    /// This policy with another number of retries.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// This policy with another attempt time-out: how long one attempt may take, its body included.
    #[must_use]
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// How often a call is sent again at the most.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// How long a call may take in all, waits included.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a [`RetryPolicy`]. Every setter may be called in any order, and `build` checks the whole.
#[derive(Clone, Copy, Debug)]
#[must_use = "a policy is made by build()"]
pub struct RetryPolicyBuilder(RetryPolicy);

impl RetryPolicyBuilder {
    /// How often a call is sent again at the most, all causes together. 0 switches retries off.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.0.retries = retries;
        self
    }

    /// The wait before the first retry, doubled for each further one. A base above the cap counts as the
    /// cap.
    pub const fn base(mut self, base: Duration) -> Self {
        self.0.base = base;
        self
    }

    /// The longest wait, before jitter.
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.0.cap = cap;
        self
    }

    /// Up to this much is added to every wait, evenly spread, so that callers do not come back together.
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.0.jitter = jitter;
        self
    }

    /// The statuses that count as transient.
    pub const fn statuses(mut self, statuses: StatusSet) -> Self {
        self.0.statuses = statuses;
        self
    }

    /// The longest `Retry-After` that is waited for; a longer one ends the call at once.
    pub const fn server_delay_cap(mut self, cap: Duration) -> Self {
        self.0.server_delay_cap = cap;
        self
    }

    /// How long a call may take in all, waits included.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// How long one attempt may take, its body included.
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.0.attempt_timeout = Some(timeout);
        self
    }

    /// Checks and gives the policy.
    ///
    /// # Errors
    /// When a limit or time-out is zero, or an attempt may take as long as the whole call, which would
    /// leave no time for a retry.
    pub const fn build(self) -> Result<RetryPolicy, InvalidPolicy> {
        if let Some(Duration::ZERO) = self.0.limit {
            return Err(InvalidPolicy("the limit is zero, so that nothing could be sent"));
        }
        if let Some(attempt) = self.0.attempt_timeout {
            if attempt.is_zero() {
                return Err(InvalidPolicy("the attempt time-out is zero, so that nothing could be answered"));
            }
            if let Some(limit) = self.0.limit
                && attempt.as_nanos() >= limit.as_nanos()
            {
                return Err(InvalidPolicy("one attempt may take the whole limit; make its time-out shorter"));
            }
        }
        Ok(self.0)
    }
}

/// A policy that contradicts itself, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPolicy(&'static str);

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "retry policy: {}", self.0)
    }
}

impl std::error::Error for InvalidPolicy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_takes_the_whole_limit_is_refused() {
        let second = Duration::from_secs(1);
        assert!(RetryPolicy::builder().limit(second).attempt_timeout(second).build().is_err());
        assert!(RetryPolicy::builder().limit(second).attempt_timeout(second / 2).build().is_ok());
        assert!(RetryPolicy::builder().limit(Duration::ZERO).build().is_err());
        assert!(RetryPolicy::builder().attempt_timeout(Duration::ZERO).build().is_err());
    }
}
