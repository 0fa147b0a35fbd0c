use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http_date;

/// `Retry-After` in milliseconds, as several vendors' gateways give it beside the header of the standard.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How long the server asks to wait (`Retry-After`, RFC 9110, section 10.2.3; `Retry-After-Ms`).
///
/// Where `Retry-After-Ms` stands once and is a whole number of milliseconds, it is the answer, as it is the
/// finer one. Of `Retry-After` both forms are read: seconds, and a date, which is held against the response's own `Date`, so that the
/// local clock does not matter. What is neither, stands twice, or is a date without a `Date` says nothing.
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
/// let mut headers = HeaderMap::new();
/// headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
/// assert_eq!(reveille_retry::retry_after(&headers), Some(std::time::Duration::from_secs(3)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(millis) = single(headers, &RETRY_AFTER_MS).and_then(number) {
        return Some(Duration::from_millis(millis));
    }
    let value = single(headers, &header::RETRY_AFTER)?;
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let now = http_date::parse(text(headers.get(header::DATE)?)?, None)?;
    let then = http_date::parse(value, Some(now))?;
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// The value of a header that stands once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    text(value)
}

/// Digits and nothing else, saturated.
fn number(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(|text| text.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(values: &[&[u8]]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        for value in values {
            headers.append(header::RETRY_AFTER, HeaderValue::from_bytes(value).unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds_are_digits_and_nothing_else() {
        for (value, seconds) in [(&b"0"[..], 0), (b"5", 5), (b" 7 ", 7), (b"007", 7)] {
            assert_eq!(asked(&[value]), Some(Duration::from_secs(seconds)));
        }
        for odd in [&b"+5"[..], b"-1", b"5.5", b"5s", b"", b"3, 7", b"\xfc", "٥".as_bytes(), b"1e3", b"0x5"]
        {
            assert_eq!(asked(&[odd]), None, "{odd:?}");
        }
        assert_eq!(asked(&[b"99999999999999999999"]), Some(Duration::from_secs(u64::MAX)));
    }

    fn asked_in_ms(millis: &[&str], seconds: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in millis {
            headers.append(RETRY_AFTER_MS, HeaderValue::from_str(value).unwrap());
        }
        headers.extend(seconds.map(|value| (header::RETRY_AFTER, HeaderValue::from_str(value).unwrap())));
        retry_after(&headers)
    }

    #[test]
    fn milliseconds_are_preferred_where_both_stand() {
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(asked_in_ms(&["150"], None), millis(150));
        assert_eq!(asked_in_ms(&["150"], Some("1")), millis(150));
        assert_eq!(asked_in_ms(&["0"], Some("1")), millis(0));
        assert_eq!(asked_in_ms(&["99999999999999999999"], None), millis(u64::MAX));
    }

    #[test]
    fn milliseconds_that_are_no_number_or_stand_twice_leave_the_seconds() {
        for odd in ["-1", "1.5", "", "5ms", "1, 2", "+3"] {
            assert_eq!(asked_in_ms(&[odd], Some("2")), Some(Duration::from_secs(2)), "{odd:?}");
            assert_eq!(asked_in_ms(&[odd], None), None, "{odd:?}");
        }
        assert_eq!(asked_in_ms(&["5", "5"], Some("2")), Some(Duration::from_secs(2)));
    }

    #[test]
    fn two_headers_say_nothing() {
        assert_eq!(asked(&[b"3", b"3"]), None);
    }

    #[test]
    fn a_date_counts_from_the_responses_own() {
        for date in
            ["Sun, 06 Nov 1994 08:49:47 GMT", "Sunday, 06-Nov-94 08:49:47 GMT", "Sun Nov  6 08:49:47 1994"]
        {
            assert_eq!(asked(&[date.as_bytes()]), Some(Duration::from_secs(10)), "{date}");
        }
        assert_eq!(asked(&[b"Sun, 06 Nov 1994 08:00:00 GMT"]), Some(Duration::ZERO));
        assert_eq!(
            asked(&[b"Fri, 31 Dec 9999 23:59:59 GMT"]).map(|d| d.as_secs() / 86_400 / 365),
            Some(8010)
        );
        assert_eq!(asked(&[b"Sun, 06 Nov 1994 08:49:47"]), None);
    }

    #[test]
    fn a_date_without_the_responses_own_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(retry_after(&headers), None);
    }

    proptest! {
        #[test]
        fn no_value_panics(values in proptest::collection::vec("[ -~\u{80}-\u{ff}]{0,40}", 0..3), date in "[ -~]{0,40}") {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, HeaderValue::from_str(&date).unwrap());
            for value in values {
                headers.append(header::RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let _ = retry_after(&headers);
        }
    }
}
