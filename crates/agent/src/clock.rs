//! Times as the protocol writes them.

use std::time::{Duration, SystemTime};

/// RFC 3339, in whole seconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// An HTTP date.
pub(crate) fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// Hours, minutes and seconds: `1h30m0s`.
pub(crate) fn hours(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_names_no_unit_above_its_largest() {
        for (seconds, text) in [(5, "5s"), (65, "1m5s"), (5400, "1h30m0s"), (360_000, "100h0m0s")] {
            assert_eq!(hours(Duration::from_secs(seconds)), text);
        }
    }
}
