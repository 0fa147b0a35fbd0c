use std::time::Duration;

/// The units of a length of time, in milliseconds, the longer names first.
const UNITS: [(&str, f64); 5] =
    [("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0), ("h", 3_600_000.0), ("d", 86_400_000.0)];
/// A year, in milliseconds. Whoever asks for more means something else.
const LONGEST: f64 = 366.0 * 86_400_000.0;

/// Reads a length of time as a person writes it: `300ms`, `1.5s`, `2m`, `1h`.
///
/// # Errors
/// When it is anything else, with a sentence that says what to write.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain).ok_or("write it like 300ms, 5s, 2m or 1h")?;
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
    let Some(scale) = scale else {
        return Err(match unit {
            "" => format!("it needs a unit: {text}s for seconds, {text}ms for milliseconds"),
            other => format!("\"{other}\" is no unit: use ms, s, m, h or d"),
        });
    };
    let milliseconds = number * scale;
    if milliseconds > LONGEST {
        return Err("it is longer than a year".to_owned());
    }
    Ok(Duration::from_secs_f64(milliseconds / 1_000.0))
}

/// The same, where nothing is not a length.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        span => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_a_number_and_a_unit() {
        assert_eq!(parse("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn anything_else_says_what_to_write() {
        assert_eq!(parse("60").unwrap_err(), "it needs a unit: 60s for seconds, 60ms for milliseconds");
        for odd in ["", "s", "-1s", "1e9s", "1.2.3s", "inf", "nan", "5 s", "5w", "99999999999h", "٣s"] {
            assert!(parse(odd).is_err(), "{odd}");
        }
        assert!(parse_positive("0ms").is_err());
    }
}
