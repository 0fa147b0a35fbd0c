//! What was done for a request, in one line.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use reveille::{Attempt, History, Seen};

/// The header of an answer that says what was done for it: `503, 503, 200; waited 37 ms`.
///
/// Every sending of the request, with the status or the fault that it met, and how long was waited in all, for the
/// schedule or the word of the sandbox. Nothing before the semicolon: the request was not sent.
pub const ATTEMPTS: HeaderName = HeaderName::from_static("reveille-attempts");

/// So many attempts are told one by one at the beginning, and at the end.
const TOLD: usize = 8;

pub(crate) fn line(history: &History) -> String {
    let attempts: Vec<_> = history.iter().collect();
    let left_out = history.len().saturating_sub(2 * TOLD);
    let mut line = String::new();
    let mut tell = |text: &dyn std::fmt::Display| {
        let comma = if line.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{comma}{text}");
    };
    let (first, last) = match left_out {
        0 => (attempts.as_slice(), [].as_slice()),
        _ => (&attempts[..TOLD], &attempts[attempts.len() - TOLD..]),
    };
    first.iter().for_each(|attempt| tell(&attempt.seen));
    if left_out > 0 {
        tell(&format_args!("{left_out} more"));
    }
    last.iter().for_each(|attempt| tell(&attempt.seen));
    let waited = waited(history);
    if !waited.is_zero() {
        // Rounded up, so that a wait is never none.
        let _ = write!(line, "; waited {} ms", waited.as_nanos().div_ceil(1_000_000));
    }
    line
}

pub(crate) fn header(history: &History) -> Option<HeaderValue> {
    let mut attempts = history.iter().map(|attempt| attempt.seen);
    match (attempts.next(), attempts.next()) {
        // What nearly every answer says is not made anew.
        (Some(Seen::Status(StatusCode::OK)), None) if waited(history).is_zero() => {
            Some(HeaderValue::from_static("200"))
        }
        _ => HeaderValue::try_from(line(history)).ok(),
    }
}

/// How long was waited in all.
fn waited(history: &History) -> Duration {
    let planned = history.iter().map(|attempt: &Attempt| attempt.wait);
    planned.fold(history.waited_for_probe(), Duration::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use reveille_retry::{Head, Replay, RetryPolicy, Session, Tick, Verdict};

    fn history(statuses: &[u16]) -> History {
        let second = Duration::from_secs(1);
        let policy = RetryPolicy::builder().retries(100).base(second).cap(second).jitter(Duration::ZERO);
        let mut session = Session::new(&policy.build().unwrap(), Replay::Read, 7);
        let mut now = Tick::ZERO;
        for status in statuses {
            session.begin(now).unwrap();
            let status = StatusCode::from_u16(*status).unwrap();
            if let Verdict::Retry { wait, .. } = session.on_head(now, &Head::new(status, &HeaderMap::new())) {
                now = now.after(wait);
            }
        }
        session.finish()
    }

    #[test]
    fn an_answer_at_once_waited_for_nothing() {
        assert_eq!(line(&history(&[200])), "200");
    }

    #[test]
    fn every_attempt_is_told_and_the_wait_in_all() {
        assert_eq!(line(&history(&[503, 502, 200])), "503, 502, 200; waited 2000 ms");
    }

    #[test]
    fn of_many_attempts_the_first_and_the_last_are_told() {
        let told = line(&history(&[503; 40]));
        assert!(told.contains("503, 24 more, 503") && told.matches("503").count() == 16, "{told}");
        assert_eq!(line(&history(&[503; 17])).matches("503").count(), 16);
    }

    #[test]
    fn what_was_never_sent_has_no_attempts() {
        assert_eq!(line(&History::default()), "");
    }
}
