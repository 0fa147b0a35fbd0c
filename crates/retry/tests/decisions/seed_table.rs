//! The seed behaviour, one test for each row of its table.

use std::time::Duration;

use http::header::RETRY_AFTER;
use reveille_retry::{Fault, FaultKind, Proof, Replay, RetryPolicy, Session, StopReason};

use crate::call::{
    CLASSES, End, Evidence, PERMANENT_FAULTS, TRANSIENT_FAULTS, again, call, play, refused, reset, status,
    status_with, verdict,
};

const TRANSIENT: [u16; 5] = [425, 429, 502, 503, 504];

#[test]
fn a_read_survives_every_transient_status() {
    for code in TRANSIENT {
        let call = play(call(Replay::Read), [status(code), status(200)]);
        assert_eq!((call.end, call.sends), (End::Delivered, 2), "{code}");
    }
}

#[test]
fn what_is_vouched_for_survives_every_transient_status() {
    for code in TRANSIENT {
        let call = play(call(Replay::Vouched), [status(code), status(200)]);
        assert_eq!((call.end, call.sends), (End::Delivered, 2), "{code}");
    }
}

#[test]
fn a_mutation_is_not_repeated_on_any_transient_status() {
    for code in TRANSIENT {
        let call = play(call(Replay::Never), [status(code), status(200)]);
        assert_eq!((call.end, call.sends), (End::Stopped(StopReason::NotReplayable), 1), "{code}");
    }
}

#[test]
fn every_other_status_is_an_answer_for_every_class() {
    for code in (100..=999).filter(|code| !TRANSIENT.contains(code)) {
        for class in CLASSES {
            assert_eq!(verdict(class, status(code)), End::Delivered, "{code} {class:?}");
        }
    }
}

#[test]
fn a_status_outside_the_list_is_an_answer_whatever_its_headers_say() {
    for code in [200, 301, 404, 408, 500, 501] {
        for class in CLASSES {
            let evidence = status_with(code, &[(RETRY_AFTER, "1")]);
            assert_eq!(verdict(class, evidence), End::Delivered, "{code} {class:?}");
        }
    }
}

#[test]
fn a_read_survives_every_transient_fault() {
    for kind in TRANSIENT_FAULTS {
        for fault in [Fault::unknown(kind), Fault::answered(kind), Fault::proven(kind, Proof::Connect)] {
            for class in [Replay::Read, Replay::Vouched] {
                let call = play(call(class), [Evidence::Fault(fault), status(200)]);
                assert_eq!((call.end, call.sends), (End::Delivered, 2), "{fault:?} {class:?}");
            }
        }
    }
}

#[test]
fn a_body_that_breaks_after_its_head_was_delivered_is_read_again() {
    let cut = Evidence::HeadThenFault(200, Fault::answered(FaultKind::BodyCut));
    let call = play(call(Replay::Read), [cut, status(200)]);
    assert_eq!((call.end, call.sends), (End::Delivered, 2));
    assert_eq!(call.history.to_string(), "body cut, 200");
}

#[test]
fn a_mutation_whose_body_breaks_after_its_head_is_not_repeated() {
    for fault in [
        Fault::answered(FaultKind::BodyCut),
        Fault::unknown(FaultKind::StreamReset),
        // Whatever an adapter makes of the error: the head was there.
        Fault::proven(FaultKind::GoAway, Proof::GoAway),
    ] {
        let call = play(call(Replay::Never), [Evidence::HeadThenFault(200, fault), status(200)]);
        assert_eq!((call.end, call.sends), (End::Stopped(StopReason::NotReplayable), 1), "{fault:?}");
    }
}

#[test]
fn what_is_not_transient_is_not_retried_in_any_class_even_with_a_proof() {
    for kind in PERMANENT_FAULTS {
        for fault in [Fault::unknown(kind), Fault::answered(kind), Fault::proven(kind, Proof::Tls)] {
            for class in CLASSES {
                let end = verdict(class, Evidence::Fault(fault));
                assert_eq!(end, End::Stopped(StopReason::Permanent), "{fault:?} {class:?}");
            }
        }
    }
}

#[test]
fn the_budget_is_five_retries() {
    let call = play(call(Replay::Read), again(status(503), 100));
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::Exhausted), 6));
}

#[test]
fn zero_retries_switch_retries_off() {
    for evidence in [status(503), reset(), refused()] {
        let session = Session::new(&RetryPolicy::never(), Replay::Read, 7);
        let call = play(session, again(evidence, 100));
        assert_eq!((call.end, call.sends), (End::Stopped(StopReason::RetriesOff), 1));
    }
}

#[test]
fn all_causes_share_the_one_budget() {
    let mixed = [status(503), reset(), refused(), status(429), reset(), status(504), status(200)];
    let call = play(call(Replay::Read), mixed);
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::Exhausted), 6));
}

#[test]
fn the_waits_are_0_2_0_4_0_8_1_6_and_2_seconds_and_less_than_0_2_more() {
    let jitter = Duration::from_millis(200);
    for seed in 0..1000 {
        let session = Session::new(&RetryPolicy::new(), Replay::Read, seed);
        let call = play(session, again(status(503), 6));
        let floors = [200, 400, 800, 1600, 2000].map(Duration::from_millis);
        assert_eq!(call.waits.len(), floors.len());
        for (wait, floor) in call.waits.iter().zip(floors) {
            assert!((floor..floor + jitter).contains(wait), "{wait:?}");
        }
        let total: Duration = call.waits.iter().sum();
        assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&total), "{total:?}");
    }
}

#[test]
fn a_budget_spent_on_statuses_ends_with_the_last_status() {
    let call = play(call(Replay::Read), [503, 503, 502, 503, 503, 504].map(status));
    assert_eq!(call.end, End::Stopped(StopReason::Exhausted));
    assert_eq!(call.history.last().unwrap().seen.to_string(), "504");
    assert_eq!(call.history.to_string(), "503, 503, 502, 503, 503, 504");
}

#[test]
fn a_budget_spent_on_faults_ends_with_the_last_fault() {
    let mut evidence = vec![status(503); 5];
    evidence.push(reset());
    let call = play(call(Replay::Read), evidence);
    assert_eq!(call.end, End::Stopped(StopReason::Exhausted));
    assert_eq!(call.history.to_string(), "503, 503, 503, 503, 503, reset");
}
