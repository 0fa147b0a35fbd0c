//! Times as the protocol writes them.

use std::fmt;
use std::time::{Duration, SystemTime};

/// RFC 3339, in whole seconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// An HTTP date.
pub(crate) fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// Hours, minutes and seconds, as they are written: `1h30m0s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hours(pub(crate) Duration);

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match (hours, minutes) {
            (0, 0) => write!(f, "{rest}s"),
            (0, _) => write!(f, "{minutes}m{rest}s"),
            _ => write!(f, "{hours}h{minutes}m{rest}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_names_no_unit_above_its_largest() {
        for (seconds, text) in [(5, "5s"), (65, "1m5s"), (5400, "1h30m0s"), (360_000, "100h0m0s")] {
            assert_eq!(Hours(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
