//! `Retry-After` in the forms in which it comes, and what a call makes of it.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use reveille_retry::{Fault, FaultKind, Proof, Refusal, Replay, RetryPolicy, Session, StopReason, Tick};

use crate::call::{CLASSES, Call, End, Evidence, call, play, status, status_with};

const NOW: &str = "Tue, 24 Nov 2026 12:00:00 GMT";
const SECOND: Duration = Duration::from_secs(1);
const JITTER: Duration = Duration::from_millis(200);

/// A 503 with this header, and a 200.
fn asked(value: impl AsRef<[u8]>) -> Call {
    let not_yet = status_with(503, &[(RETRY_AFTER, value.as_ref()), (DATE, NOW.as_bytes())]);
    play(call(Replay::Read), [not_yet, status(200)])
}

/// The header is no reason to wait longer.
fn is_ignored(call: &Call) -> bool {
    let own = Duration::from_millis(200);
    call.end == End::Delivered && (own..own + JITTER).contains(&call.waits[0])
}

#[test]
fn zero_leaves_the_own_wait() {
    assert!(is_ignored(&asked("0")));
}

#[test]
fn seconds_are_waited_and_a_little_more() {
    let wait = asked("5").waits[0];
    assert!((5 * SECOND..5 * SECOND + JITTER).contains(&wait), "{wait:?}");
}

#[test]
fn what_is_no_number_of_seconds_is_ignored() {
    let odd: [&[u8]; 14] = [
        b"+5",
        b"-1",
        b"5.5",
        b"5s",
        b"",
        b"3, 7",
        b"1e3",
        b"0x5",
        "٥".as_bytes(),
        b"\xff\xfe",
        b"five",
        b"5 5",
        b"Infinity",
        b"NaN",
    ];
    for value in odd {
        assert!(is_ignored(&asked(value)), "{value:?}");
    }
}

#[test]
fn two_headers_are_ignored() {
    let twice = status_with(503, &[(RETRY_AFTER, "3"), (RETRY_AFTER, "7")]);
    assert!(is_ignored(&play(call(Replay::Read), [twice, status(200)])));
}

#[test]
fn a_number_beyond_all_numbers_ends_the_call_at_once() {
    let call = asked("99999999999999999999");
    let longest = Duration::from_secs(u64::MAX);
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::ServerDelayTooLong(longest)), 1));
}

#[test]
fn a_date_in_any_of_its_three_forms_is_waited_for() {
    for date in
        ["Tue, 24 Nov 2026 12:00:07 GMT", "Tuesday, 24-Nov-26 12:00:07 GMT", "Tue Nov 24 12:00:07 2026"]
    {
        let wait = asked(date).waits[0];
        assert!((7 * SECOND..7 * SECOND + JITTER).contains(&wait), "{date}: {wait:?}");
    }
}

#[test]
fn a_date_that_has_passed_leaves_the_own_wait() {
    assert!(is_ignored(&asked("Tue, 24 Nov 2026 11:00:00 GMT")));
    assert!(is_ignored(&asked("Thu, 01 Jan 1970 00:00:00 GMT")));
}

#[test]
fn a_date_in_the_year_9999_ends_the_call_at_once() {
    let call = asked("Fri, 31 Dec 9999 23:59:59 GMT");
    assert!(matches!(call.end, End::Stopped(StopReason::ServerDelayTooLong(_))), "{:?}", call.end);
}

#[test]
fn a_date_without_the_answers_own_is_ignored_as_no_clock_of_ours_is_asked() {
    let no_date = status_with(503, &[(RETRY_AFTER, "Tue, 24 Nov 2026 12:00:07 GMT")]);
    assert!(is_ignored(&play(call(Replay::Read), [no_date, status(200)])));
    let odd_date = status_with(503, &[(RETRY_AFTER, "Tue, 24 Nov 2026 12:00:07 GMT"), (DATE, "today")]);
    assert!(is_ignored(&play(call(Replay::Read), [odd_date, status(200)])));
}

#[test]
fn seconds_since_1970_taken_for_a_delay_end_the_call_and_are_reported() {
    let call = asked("1795521600");
    let reported = Duration::from_secs(1_795_521_600);
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::ServerDelayTooLong(reported)), 1));
}

#[test]
fn an_answer_that_is_no_transient_status_is_delivered_whatever_it_asks() {
    for code in [200, 204, 301, 307, 404, 500] {
        for class in CLASSES {
            let call = play(call(class), [status_with(code, &[(RETRY_AFTER, "1")])]);
            assert_eq!(call.end, End::Delivered, "{code}");
        }
    }
}

#[test]
fn a_mutation_is_not_repeated_because_the_server_asks_for_it() {
    let call = play(call(Replay::Never), [status_with(503, &[(RETRY_AFTER, "1")])]);
    assert_eq!(call.end, End::Stopped(StopReason::NotReplayable));
}

#[test]
fn a_proof_with_a_delay_is_waited_for_by_a_mutation_too() {
    let mut evidence = status_with(404, &[(RETRY_AFTER, "3")]);
    if let Evidence::Head { refusal, .. } = &mut evidence {
        *refusal = Some(Refusal::NotDispatched);
    }
    let call = play(call(Replay::Never), [evidence, status(201)]);
    assert_eq!(call.end, End::Delivered);
    assert!((3 * SECOND..3 * SECOND + JITTER).contains(&call.waits[0]), "{:?}", call.waits);
}

#[test]
fn thirty_seconds_are_waited_and_not_one_more() {
    assert_eq!(asked("30").end, End::Delivered);
    let end = asked("31").end;
    assert_eq!(end, End::Stopped(StopReason::ServerDelayTooLong(31 * SECOND)));
}

#[test]
fn a_cap_of_ones_own_is_kept() {
    let policy = RetryPolicy::builder().server_delay_cap(2 * SECOND).build().unwrap();
    let ask = |value: &str| {
        play(Session::new(&policy, Replay::Read, 7), [status_with(503, &[(RETRY_AFTER, value)]), status(200)])
    };
    assert_eq!(ask("2").end, End::Delivered);
    assert_eq!(ask("3").end, End::Stopped(StopReason::ServerDelayTooLong(3 * SECOND)));
}

#[test]
fn a_delay_that_does_not_fit_the_time_left_ends_the_call_at_once_and_is_reported() {
    for left in [4 * SECOND, 5 * SECOND, 5 * SECOND + Duration::from_millis(20)] {
        let session = call(Replay::Read).deadline(Tick::ZERO.after(left));
        let call = play(session, [status_with(503, &[(RETRY_AFTER, "5")]), status(200)]);
        let expected = StopReason::ServerDelayTooLong(5 * SECOND);
        assert_eq!((call.end, call.sends), (End::Stopped(expected), 1), "{left:?}");
    }
    let session = call(Replay::Read).deadline(Tick::ZERO.after(6 * SECOND));
    let call = play(session, [status_with(503, &[(RETRY_AFTER, "5")]), status(200)]);
    assert_eq!(call.end, End::Delivered);
}

#[test]
fn an_own_wait_that_does_not_fit_is_not_blamed_on_the_server() {
    let session = call(Replay::Read).deadline(Tick::ZERO.after(SECOND / 10));
    let call = play(session, [status_with(503, &[(RETRY_AFTER, "0")]), status(200)]);
    assert_eq!(call.end, End::Stopped(StopReason::Deadline));
}

#[test]
fn an_own_wait_that_is_longer_than_the_servers_is_kept() {
    let unreachable = Evidence::Fault(Fault::proven(FaultKind::Refused, Proof::Connect));
    let mut evidence = vec![unreachable; 4];
    evidence.push(status_with(503, &[(RETRY_AFTER, "1")]));
    let call = play(call(Replay::Read), evidence);
    let fifth = call.waits[4];
    assert!((2 * SECOND..2 * SECOND + JITTER).contains(&fifth), "{fifth:?}");
}

#[test]
fn a_delay_spends_the_same_budget() {
    let evidence = std::iter::repeat_n(status_with(503, &[(RETRY_AFTER, "1")]), 100);
    let call = play(call(Replay::Read), evidence);
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::Exhausted), 6));
}
