//! Which part of a file is wanted, and whether it is wanted at all.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};

/// What a request wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// The bytes from here up to, and without, there.
    Part(u64, u64),
    /// Nothing: what the caller has is as new.
    NotModified,
    /// Nothing: it is not what the caller believes it to be.
    Failed,
    /// A part that lies behind its end.
    Beyond,
    /// Something that cannot be understood.
    Nonsense,
}

/// Reads what is wanted of a file of `size` bytes that changed at `modified`, as RFC 9110 has it (sections 13.2 and
/// 14.2). There are no entity tags here: a condition on one never holds, unless it is on any at all. Several ranges
/// at once are answered with the whole.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, modified: SystemTime) -> Wanted {
    let text =
        |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).map(str::trim);
    let date = |name| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
    let modified = whole_seconds(modified);
    let kept = match text(IF_MATCH) {
        Some(tags) => tags == "*",
        None => date(IF_UNMODIFIED_SINCE).is_none_or(|since| modified <= since),
    };
    if !kept {
        return Wanted::Failed;
    }
    let changed = match text(IF_NONE_MATCH) {
        Some(tags) => tags != "*",
        None => date(IF_MODIFIED_SINCE).is_none_or(|since| modified > since),
    };
    if !changed {
        return Wanted::NotModified;
    }
    let same = headers.get(IF_RANGE).is_none_or(|_| date(IF_RANGE) == Some(modified));
    match headers.get(RANGE) {
        Some(range) if same => range.to_str().map_or(Wanted::Nonsense, |range| part(range, size)),
        _ => Wanted::Whole,
    }
}

fn part(range: &str, size: u64) -> Wanted {
    let Some(range) = range.trim().strip_prefix("bytes=") else { return Wanted::Nonsense };
    if range.contains(',') {
        return Wanted::Whole;
    }
    let number = |text: &str| match text {
        _ if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        // Larger than any file.
        _ => Some(text.parse().unwrap_or(u64::MAX)),
    };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Nonsense };
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(last) => (size.saturating_sub(last), size),
            None => return Wanted::Nonsense,
        },
        (first, "") => match number(first) {
            Some(first) => (first, size),
            None => return Wanted::Nonsense,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(size)),
            _ => return Wanted::Nonsense,
        },
    };
    match (size, start < end) {
        (0, _) => Wanted::Whole,
        (_, true) => Wanted::Part(start, end),
        (_, false) => Wanted::Beyond,
    }
}

/// HTTP dates know no parts of a second.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_file() {
        assert_eq!(part("bytes=2-4", 10), Wanted::Part(2, 5));
        assert_eq!(part("bytes=2-99999999999999999999999", 10), Wanted::Part(2, 10));
        assert_eq!(part("bytes=-99", 10), Wanted::Part(0, 10));
        assert_eq!(part("bytes=-0", 10), Wanted::Beyond);
        assert_eq!(part("bytes=10-", 10), Wanted::Beyond);
        assert_eq!(part("bytes=0-", 0), Wanted::Whole);
        assert_eq!(part("bytes=0-1,3-4", 10), Wanted::Whole);
        for bad in ["bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "items=0-1", "bytes=+1-2", "bytes=1"] {
            assert_eq!(part(bad, 10), Wanted::Nonsense, "{bad}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_the_whole() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let ask = |if_range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, "bytes=0-0".parse().unwrap());
            headers.insert(IF_RANGE, if_range.parse().unwrap());
            wanted(&headers, 10, modified)
        };
        assert_eq!(ask("Thu, 01 Jan 1970 00:16:40 GMT"), Wanted::Part(0, 1));
        assert_eq!(ask("Thu, 01 Jan 1970 00:16:41 GMT"), Wanted::Whole);
        assert_eq!(ask("\"tag\""), Wanted::Whole);
    }
}
