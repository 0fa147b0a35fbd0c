use std::time::Duration;

/// How long a word holds, and how often somebody looks.
///
/// ```
/// use std::time::Duration;
/// use reveille_retry::ReadinessPolicy;
/// // For sandboxes that go to standby after 5 s.
/// let policy = ReadinessPolicy::new().fresh(Duration::from_secs(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessPolicy {
    pub(super) fresh: Duration,
    pub(super) first: Duration,
    pub(super) growth: u32,
    pub(super) cap: Duration,
    pub(super) beside: Duration,
}

impl ReadinessPolicy {
    /// A word holds for 10 s, as standby comes after about 15 s; the first look comes 10 ms after the first sign
    /// of the window, and each further gap is twice the one before, up to 500 ms.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            fresh: Duration::from_secs(10),
            first: Duration::from_millis(10),
            growth: 200,
            cap: Duration::from_millis(500),
            beside: Duration::from_millis(100),
        }
    }

    /// How long the word of a sandbox holds: less than it takes to go to standby.
    #[must_use]
    pub const fn fresh(self, fresh: Duration) -> Self {
        Self { fresh, ..self }
    }

    /// The gap between the first sign of the window and the first look.
    #[must_use]
    pub const fn first(self, first: Duration) -> Self {
        Self { first, ..self }
    }

    /// The longest gap between two looks.
    #[must_use]
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// How much longer each gap is than the one before, in hundredths: 200 is twice as long. Less than 100 counts
    /// as 100.
    #[must_use]
    pub const fn growth(self, hundredths: u32) -> Self {
        Self { growth: hundredths, ..self }
    }

    /// How young a word is for a refusal beside it to be the app's own: a sandbox does not fall asleep so soon.
    pub(super) fn young(&self) -> Duration {
        self.fresh / 10
    }

    /// The gap that follows `gap`; the first one where there was none.
    pub(super) fn next_gap(&self, gap: Option<Duration>) -> Duration {
        let next = match gap {
            None => self.first,
            Some(gap) => gap.saturating_mul(self.growth.max(100)) / 100,
        };
        next.min(self.cap)
    }
}

impl Default for ReadinessPolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_double_from_ten_milliseconds_to_half_a_second() {
        let policy = ReadinessPolicy::new();
        let gaps =
            std::iter::successors(Some(policy.next_gap(None)), |gap| Some(policy.next_gap(Some(*gap))));
        let millis: Vec<u128> = gaps.take(8).map(|gap| gap.as_millis()).collect();
        assert_eq!(millis, [10, 20, 40, 80, 160, 320, 500, 500]);
    }

    #[test]
    fn no_policy_overflows_or_shrinks_its_gaps() {
        for (first, growth) in [(Duration::MAX, u32::MAX), (Duration::ZERO, 0), (Duration::from_secs(1), 0)] {
            let policy = ReadinessPolicy::new().first(first).growth(growth).cap(Duration::MAX);
            let gap = policy.next_gap(None);
            assert!(policy.next_gap(Some(gap)) >= gap.min(Duration::MAX / 100));
        }
    }
}
