use std::time::Duration;

/// How long something takes or lives, as records write it: `30m`, `24h`, `7d`, `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(Duration);

impl Span {
    /// The longest, in seconds: a hundred years.
    const LONGEST: u64 = 100 * 365 * 24 * 3600;

    /// Reads one, or says what is wrong with it. What is longer than a hundred years is a hundred years.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no span of time: write it like 30m, 24h, 7d or 2w");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let digits = &text[..text.len() - unit.len_utf8()];
        let seconds: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            'w' => 7 * 24 * 3600,
            _ => return Err(wrong()),
        };
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        // More digits than a number holds are more than the longest.
        let count: u64 = digits.parse().unwrap_or(u64::MAX);
        Ok(Self(Duration::from_secs(count.saturating_mul(seconds).min(Self::LONGEST))))
    }

    /// Reads one that is not shorter than `least`, which is written as `said`.
    pub(crate) fn read_at_least(text: &str, least: Duration, said: &str) -> Result<Self, String> {
        let span = Self::read(text)?;
        if span.0 < least {
            return Err(format!("{text:?} is too short: at least {said}"));
        }
        Ok(span)
    }

    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> Option<u64> {
        Span::read(text).ok().map(|span| span.duration().as_secs())
    }

    #[test]
    fn spans_are_read_as_the_platform_writes_them() {
        let all = ["30s", "30m", "24h", "7d", "2w", "0s"].map(seconds);
        assert_eq!(all, [30, 1800, 86_400, 604_800, 1_209_600, 0].map(Some));
        for wrong in ["", "abc", "10", "h", "-1h", "+1h", "1.5h", "1 h", "1h30m", "1y", "1µ", "١h"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_no_number_holds_is_the_longest() {
        assert_eq!(seconds("99999999999999999999999w"), Some(Span::LONGEST));
        assert_eq!(seconds("18446744073709551615s"), Some(Span::LONGEST));
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_breaks_it(text in ".*") {
            let _ = Span::read(&text);
        }
    }
}
