//! Times that come again and again: the five fields of cron, in UTC.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// How many days are looked through for the next time. The rarest day, a 29 February on one weekday, comes within
/// 40 years.
const DAYS: usize = 41 * 366;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something is due, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    on: On,
}

/// Numbers below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

/// Which days are meant where a day of the month and a day of the week are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Those that are both.
    Both,
    /// Those that are one of them: neither is left open.
    Either,
}

/// What may stand in a field.
struct Field {
    what: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

impl Cron {
    /// Reads one, or says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!("{text:?} has not the five fields of cron: minute hour day month weekday"));
        };
        let field = |what, least, most, names| Field { what, least, most, names };
        let mut of_week = field("weekday", 0, 7, &WEEKDAYS).read(weekdays)?;
        // Sunday has two numbers.
        of_week.0 |= of_week.0 >> 7 & 1;
        let is_open = |field: &str| field.starts_with(['*', '?']);
        Ok(Self {
            minutes: field("minute", 0, 59, &[]).read(minutes)?,
            hours: field("hour", 0, 23, &[]).read(hours)?,
            days: field("day", 1, 31, &[]).read(days)?,
            months: field("month", 1, 12, &MONTHS).read(months)?,
            weekdays: of_week,
            on: if is_open(days) || is_open(weekdays) { On::Both } else { On::Either },
        })
    }

    /// The first time behind another; nothing where there is none, as on a 31 February.
    pub(super) fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        let now = Offset::UTC.to_datetime(Timestamp::try_from(time).ok()?);
        let mut date = now.date();
        // The minute that has begun is over.
        let mut from = minute_of_day(now.time()) + 1;
        for _ in 0..DAYS {
            if self.is_on(date)
                && let Some(minute) = (from..24 * 60).find(|minute| self.is_at(*minute))
            {
                let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()?;
                let at = Offset::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()?;
                return SystemTime::try_from(at).ok();
            }
            date = date.tomorrow().ok()?;
            from = 0;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let day = self.days.has(date.day().unsigned_abs().into());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset().unsigned_abs().into());
        let is_day = match self.on {
            On::Both => day && weekday,
            On::Either => day || weekday,
        };
        is_day && self.months.has(date.month().unsigned_abs().into())
    }

    fn is_at(&self, minute: u32) -> bool {
        self.hours.has(minute / 60) && self.minutes.has(minute % 60)
    }
}

fn minute_of_day(time: Time) -> u32 {
    u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs())
}

impl Set {
    fn has(self, number: u32) -> bool {
        self.0 >> number & 1 == 1
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<Set, String> {
        let mut set = Set(0);
        for item in text.split(',') {
            let wrong = || format!("{item:?} is no {} of cron", self.what);
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => {
                    (range, Some(number(step).filter(|step| *step > 0).ok_or_else(wrong)?))
                }
                None => (item, None),
            };
            let (first, last) = match range.split_once('-') {
                _ if matches!(range, "*" | "?") => (self.least, self.most),
                Some((first, last)) => {
                    (self.value(first).ok_or_else(wrong)?, self.value(last).ok_or_else(wrong)?)
                }
                None => {
                    let first = self.value(range).ok_or_else(wrong)?;
                    (first, if step.is_some() { self.most } else { first })
                }
            };
            if first > last {
                return Err(wrong());
            }
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
            for number in (first..=last).step_by(step) {
                set.0 |= 1 << number;
            }
        }
        Ok(set)
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => at + self.least,
            None => number(text)?,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    fn next(cron: &str, after: &str) -> Option<String> {
        let next = Cron::read(cron).unwrap().next_after(clock::read(after).unwrap());
        next.map(|at| clock::stamp(at).replace(".000000", ""))
    }

    #[test]
    fn the_next_time_is_the_first_one_that_all_fields_allow() {
        // 2026-11-28 is a Saturday.
        for (cron, wanted) in [
            ("* * * * *", "2026-11-28T10:08:00Z"),
            ("*/15 * * * *", "2026-11-28T10:15:00Z"),
            ("7 10 * * *", "2026-11-29T10:07:00Z"),
            ("0 8 * * 1-5", "2026-11-30T08:00:00Z"),
            ("0 8 * * MON-fri", "2026-11-30T08:00:00Z"),
            ("30 9 * * 7", "2026-11-29T09:30:00Z"),
            ("0 0 1 jan *", "2027-01-01T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 29 2 1", "2027-02-01T00:00:00Z"),
            ("5-10/5,59 23 28-30 * ?", "2026-11-28T23:05:00Z"),
            ("50/4 10 * * *", "2026-11-28T10:50:00Z"),
        ] {
            assert_eq!(next(cron, "2026-11-28T10:07:30Z").as_deref(), Some(wanted), "{cron}");
        }
        assert_eq!(next("7 10 * * *", "2026-11-28T10:06:59.999Z").as_deref(), Some("2026-11-28T10:07:00Z"));
        assert_eq!(next("0 0 31 2 *", "2026-11-28T10:07:30Z"), None);
        assert_eq!(next("0 0 * * *", "9999-12-31T00:00:00Z"), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "-1 * * * *",
            "a * * * *",
            "1,, * * * *",
            "1- * * * *",
            "+1 * * * *",
            "* * * mon *",
            "99999999999 * * * *",
            "@daily",
        ] {
            assert!(Cron::read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_breaks_it(text in "[-*/,?0-9a-z ]{0,40}", seconds in 0_u64..300_000_000_000) {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            if let Some(next) = Cron::read(&text).ok().and_then(|cron| cron.next_after(time)) {
                prop_assert!(next > time);
            }
        }
    }
}
