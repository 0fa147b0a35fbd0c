//! HTTP dates (RFC 9110, section 5.6.7) as seconds since 1970.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const SECONDS_PER_DAY: u64 = 86_400;

/// Reads a date in any of its three forms. The two-digit year of the old form is taken as near to `now`
/// as the standard wants it; without `now` that form is not read.
pub(crate) fn parse(date: &str, now: Option<u64>) -> Option<u64> {
    let mut words = date.split(' ').filter(|word| !word.is_empty());
    let day_name = words.next()?;
    let fields = match day_name.strip_suffix(',') {
        Some(name) if name.len() == 3 => {
            let (day, month, year) =
                (number(words.next()?, 2)?, month(words.next()?)?, number(words.next()?, 4)?);
            (year, month, day, words.next()?, words.next() == Some("GMT"))
        }
        Some(_) => {
            let mut parts = words.next()?.split('-');
            let (day, month, year) =
                (number(parts.next()?, 2)?, month(parts.next()?)?, number(parts.next()?, 2)?);
            if parts.next().is_some() {
                return None;
            }
            (nearest_century(year, now?), month, day, words.next()?, words.next() == Some("GMT"))
        }
        None => {
            let month = month(words.next()?)?;
            let day = words.next().filter(|day| day.len() <= 2)?;
            let day = number(day, day.len())?;
            let time = words.next()?;
            (number(words.next()?, 4)?, month, day, time, true)
        }
    };
    let (year, month, day, time, zoned) = fields;
    if !zoned || words.next().is_some() || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    Some(days_since_1970(year, month, day).checked_mul(SECONDS_PER_DAY)? + second_of_day(time)?)
}

fn number(digits: &str, len: usize) -> Option<u64> {
    let plain = digits.len() == len && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn month(name: &str) -> Option<u64> {
    MONTHS.iter().position(|month| *month == name).map(|at| at as u64 + 1)
}

fn second_of_day(time: &str) -> Option<u64> {
    let mut parts = time.split(':');
    let (h, m, s) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    // A leap second is 60.
    let fits = h < 24 && m < 60 && s <= 60 && parts.next().is_none();
    fits.then_some(h * 3600 + m * 60 + s)
}

/// A two-digit year that would be more than 50 years ahead is the latest past one with those digits.
fn nearest_century(two_digits: u64, now: u64) -> u64 {
    let this_year = 1970 + now / (SECONDS_PER_DAY * 365 + SECONDS_PER_DAY / 4);
    let year = this_year - this_year % 100 + two_digits;
    if year > this_year + 50 { year - 100 } else { year }
}

/// Howard Hinnant's `days_from_civil`, for years that are not before 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    proptest! {
        #[test]
        fn every_date_that_another_library_writes_is_read_back(seconds in 0..253_402_300_800_u64) {
            let written = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert_eq!(parse(&written, None), Some(seconds));
        }

        #[test]
        fn no_text_panics(text in "[ -~]{0,40}", now in any::<u64>()) {
            let _ = parse(&text, Some(now));
        }
    }

    #[test]
    fn a_two_digit_year_is_near() {
        let now = parse("Tue, 24 Nov 2026 00:00:00 GMT", None);
        let year = |text| parse(text, now).map(|s| 1970 + s / 31_556_952);
        assert_eq!(year("Monday, 15-Jun-26 00:00:00 GMT"), Some(2026));
        assert_eq!(year("Monday, 15-Jun-76 00:00:00 GMT"), Some(2076));
        assert_eq!(year("Monday, 15-Jun-94 00:00:00 GMT"), Some(1994));
    }
}
