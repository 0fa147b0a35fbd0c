use std::time::SystemTime;

use super::duration;

/// Reads a moment: how long ago it was (`5m`), or when (`2026-12-01T08:00:00Z`).
///
/// # Errors
/// When it is neither.
pub(crate) fn moment(typed: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = duration::parse_positive(typed) {
        return SystemTime::now().checked_sub(ago).ok_or_else(|| format!("{typed} ago there was no time"));
    }
    humantime::parse_rfc3339_weak(typed).map_err(|_| {
        format!("{typed:?} is neither a time ago, such as 5m, nor one such as 2026-12-01T08:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_some_time_ago_or_at_some_time() {
        let ago = moment("90s").unwrap().elapsed().unwrap().as_secs();
        assert!((90..100).contains(&ago), "{ago}");
        let at = moment("1970-01-01T00:01:00Z").unwrap();
        assert_eq!(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 60);
        for bad in ["", "5", "-5m", "yesterday", "2026-13-01"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
