//! Times as they stand in records: RFC 3339, UTC, microseconds, so that they sort as text.

use std::time::SystemTime;

/// The time as text.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// This moment as text.
pub(crate) fn now() -> String {
    stamp(SystemTime::now())
}
