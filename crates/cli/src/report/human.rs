use std::time::{Duration, SystemTime};

/// A length of time as people say it: `682 ms`, `5.4 s`, `3 min`.
pub(crate) fn duration(span: Duration) -> String {
    match span.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..120_000 if ms % 1_000 < 100 => format!("{} s", ms / 1_000),
        ms @ 1_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms @ 120_000..7_200_000 => format!("{} min", ms / 60_000),
        ms @ 7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        ms => format!("{} days", ms / 86_400_000),
    }
}

/// A moment as people say it: `now`, `5 s ago`, `3 min ago`. What is no RFC 3339 stays as it is.
pub(crate) fn ago(moment: &str, now: SystemTime) -> String {
    let Ok(then) = humantime::parse_rfc3339(moment) else { return moment.to_owned() };
    // A clock that is a little behind the server's is no news.
    let whole = now.duration_since(then).map_or(0, |span| span.as_secs());
    match whole {
        0 => "now".to_owned(),
        seconds => format!("{} ago", duration(Duration::from_secs(seconds))),
    }
}

/// A number of bytes as people say it: `512 B`, `5.5 KB`, `1.0 GB`, in steps of 1,000.
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1_000, "KB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// How many times, as people say it: `once`, `twice`, `six times`, `23 times`.
pub(crate) fn times(count: usize) -> String {
    const WORDS: [&str; 13] = [
        "never", "once", "twice", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    match (count, WORDS.get(count)) {
        (0..=2, Some(word)) => (*word).to_owned(),
        (_, Some(word)) => format!("{word} times"),
        _ => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_as_people_do() {
        let said = |ms| duration(Duration::from_millis(ms));
        assert_eq!([said(0), said(682), said(5_449), said(15_000)], ["0 ms", "682 ms", "5.4 s", "15 s"]);
        assert_eq!([said(180_000), said(7_200_000), said(200_000_000)], ["3 min", "2 h", "2 days"]);
    }

    #[test]
    fn moments_are_said_by_how_long_ago_they_were() {
        let now = humantime::parse_rfc3339("2026-11-24T12:00:00Z").unwrap();
        let said = |moment| ago(moment, now);
        assert_eq!(said("2026-11-24T11:59:59.900Z"), "now");
        assert_eq!(said("2026-11-24T11:59:55Z"), "5 s ago");
        assert_eq!(said("2026-11-24T11:57:00Z"), "3 min ago");
        assert_eq!(said("2026-11-24T12:00:09Z"), "now");
        assert_eq!((said(""), said("yesterday")), (String::new(), "yesterday".to_owned()));
    }

    #[test]
    fn sizes_and_counts_are_said_as_people_do() {
        assert_eq!([size(0), size(999), size(5_550), size(1 << 30)], ["0 B", "999 B", "5.5 KB", "1.0 GB"]);
        assert_eq!(size(u64::MAX), "18446744073.7 GB");
        assert_eq!([times(1), times(2), times(6), times(23)], ["once", "twice", "six times", "23 times"]);
    }
}
