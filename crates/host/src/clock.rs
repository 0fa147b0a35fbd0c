//! What time it is, and times as they stand in records: RFC 3339, UTC, microseconds, so that they sort as text.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use tokio::sync::watch;

/// The machine's clock, which can be set ahead.
///
/// What a host decides by the time of day (expiry, the ages of tokens) it decides by this clock, so that it can
/// be seen to happen without waiting for it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use reveille_host::Clock;
///
/// let clock = Clock::default();
/// clock.skip(Duration::from_secs(3600));
/// assert!(clock.now() > SystemTime::now() + Duration::from_secs(3599));
/// ```
#[derive(Debug, Clone)]
pub struct Clock {
    ahead: Arc<watch::Sender<Duration>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { ahead: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }
}

impl Clock {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_add(*self.ahead.borrow()).unwrap_or(now)
    }

    /// Sets it ahead. Whoever waits for a time that has come by this goes on.
    pub fn skip(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead = ahead.saturating_add(by));
    }

    /// This moment as text.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.now())
    }

    /// Waits until a time has come.
    pub(crate) async fn wait_until(&self, time: SystemTime) {
        /// How long is slept without a look at the clock, which somebody may set.
        const NAP: Duration = Duration::from_secs(60);
        let mut ahead = self.ahead.subscribe();
        loop {
            ahead.mark_unchanged();
            let Ok(left) = time.duration_since(self.now()) else { return };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(NAP)) => {}
                _ = ahead.changed() => {}
            }
        }
    }

    /// The same where there is a time to wait for, else for ever.
    pub(crate) async fn wait_until_due(&self, time: Option<SystemTime>) {
        match time {
            Some(time) => self.wait_until(time).await,
            None => std::future::pending().await,
        }
    }
}

/// This moment as text, by the machine's clock.
pub(crate) fn now() -> String {
    stamp(SystemTime::now())
}

/// A time as text.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// A time from text as RFC 3339 or ISO 8601 write it; a date without a time is its first moment in UTC, and what is
/// written to mean "never" in the year 9999 is as late as a clock can say.
pub(crate) fn read(text: &str) -> Option<SystemTime> {
    let said = Pieces::parse(text).ok()?;
    let moment = DateTime::from_parts(said.date(), said.time().unwrap_or(Time::midnight()));
    let offset = said.to_numeric_offset().unwrap_or(Offset::UTC);
    let time = match offset.to_timestamp(moment) {
        Ok(time) => time,
        Err(_) if moment.year() > 0 => Timestamp::MAX,
        Err(_) => return None,
    };
    SystemTime::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_clients_write() {
        let seconds = |text: &str| {
            read(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
        };
        for text in [
            "2026-01-02T00:00:00Z",
            "2026-01-02T00:00:00.000000Z",
            "2026-01-02T01:00:00+01:00",
            "2026-01-02T00:00:00",
            "2026-01-02",
        ] {
            assert_eq!(seconds(text), Some(1_767_312_000), "{text}");
        }
        for text in ["", "soon", "2026-13-01", "1767312000", "99999999-01-01"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(read(&stamp(SystemTime::UNIX_EPOCH)), Some(SystemTime::UNIX_EPOCH));
        for never in
            ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59", "9999-12-31"]
        {
            let time = read(never).unwrap();
            assert!(time > read("9999-01-01").unwrap() && !stamp(time).is_empty(), "{never}");
        }
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_clock_that_is_set_ahead() {
        let clock = Clock::default();
        let in_a_year = clock.now() + Duration::from_secs(365 * 24 * 3600);
        let waits = clock.wait_until(in_a_year);
        tokio::pin!(waits);
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        clock.skip(Duration::from_secs(366 * 24 * 3600));
        waits.await;
    }
}
