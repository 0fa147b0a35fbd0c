use std::time::Duration;

use crate::RetryPolicy;
use crate::tick::nanos;

/// Random numbers by SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): eight bytes of state, any seed serves.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from `[0, end)`; zero where that is empty.
    pub(crate) fn below(&mut self, end: Duration) -> Duration {
        let scaled = u128::from(self.next()) * u128::from(nanos(end));
        Duration::from_nanos((scaled >> 64) as u64)
    }
}

/// The wait before retry `n` (1, 2, ...), before jitter: `min(cap, base * 2^(n-1))`.
pub(crate) fn exponential(policy: &RetryPolicy, n: u32) -> Duration {
    let (base, cap) = (nanos(policy.base), nanos(policy.cap));
    let doublings = n.saturating_sub(1);
    let grown = if base == 0 {
        0
    } else if doublings > base.leading_zeros() {
        u64::MAX
    } else {
        base << doublings
    };
    Duration::from_nanos(grown.min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_seeds_waits_are_to_the_letter() {
        let waits: Vec<u128> = (1..=7).map(|n| exponential(&RetryPolicy::new(), n).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn the_standby_presets_waits_grow_to_thirty_seconds() {
        let waits: Vec<u128> = (1..=8).map(|n| exponential(&RetryPolicy::standby(), n).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn jitter_is_spread_evenly() {
        let mut random = SplitMix64::new(1);
        let mut buckets = [0_u32; 10];
        for _ in 0..10_000 {
            let jitter = random.below(Duration::from_millis(200));
            buckets[(jitter.as_nanos() / 20_000_000) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (850..1150).contains(count)), "{buckets:?}");
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            Just(Duration::from_nanos(1)),
            (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
            (0..10_000_u64).prop_map(Duration::from_millis),
        ]
    }

    proptest! {
        #[test]
        fn a_wait_is_never_above_its_cap_nor_below_its_base(n in any::<u32>(), base in any_duration(),
                cap in any_duration()) {
            let policy = RetryPolicy::builder().base(base).cap(cap).build().unwrap();
            let wait = exponential(&policy, n);
            let most = Duration::from_nanos(nanos(cap));
            prop_assert!(wait <= most);
            prop_assert!(wait >= Duration::from_nanos(nanos(base)).min(most));
            prop_assert!(exponential(&policy, n.saturating_add(1)) >= wait);
        }

        #[test]
        fn jitter_stays_below_its_end(seed in any::<u64>(), end in any_duration()) {
            let jitter = SplitMix64::new(seed).below(end);
            prop_assert!(jitter < end || end.is_zero());
        }
    }
}
