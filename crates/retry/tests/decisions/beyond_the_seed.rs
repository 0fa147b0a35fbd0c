//! Proofs, the gateway's 404, limits, presets and the history, one test for each row.

use std::time::Duration;

use reveille_retry::{
    Dispatch, Fault, FaultKind, Limit, Proof, Refusal, Replay, Resend, RetryPolicy, Session, StatusSet,
    StopReason, Tick, Verdict,
};

use crate::call::{
    ATTEMPT, CLASSES, End, Evidence, PROOFS, TRANSIENT_FAULTS, again, call, play, refusal, refused, reset,
    status, verdict,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_class_is_sent_again_after_any_proof() {
    for proof in PROOFS {
        for class in CLASSES {
            let fault = Evidence::Fault(Fault::proven(FaultKind::Canceled, proof));
            let call = play(call(class), [fault, status(200)]);
            assert_eq!((call.end, call.sends), (End::Delivered, 2), "{proof:?} {class:?}");
        }
    }
}

#[test]
fn a_body_that_is_gone_is_not_sent_again_even_with_a_proof() {
    for class in CLASSES {
        let call = play(call(class).resend(Resend::Once), [refused(), status(200)]);
        assert_eq!((call.end, call.sends), (End::Stopped(StopReason::BodyOnce), 1), "{class:?}");
    }
}

#[test]
fn a_body_that_is_gone_is_no_reason_where_the_mutation_may_have_run() {
    let call = play(call(Replay::Never).resend(Resend::Once), [reset(), status(200)]);
    assert_eq!(call.end, End::Stopped(StopReason::NotReplayable));
}

#[test]
fn a_read_is_sent_again_when_nobody_knows() {
    for kind in TRANSIENT_FAULTS {
        assert_eq!(verdict(Replay::Read, Evidence::Fault(Fault::unknown(kind))), End::WantsMore, "{kind}");
    }
}

#[test]
fn what_is_vouched_for_is_sent_again_when_nobody_knows() {
    for kind in TRANSIENT_FAULTS {
        assert_eq!(verdict(Replay::Vouched, Evidence::Fault(Fault::unknown(kind))), End::WantsMore, "{kind}");
    }
}

#[test]
fn a_mutation_stops_when_nobody_knows() {
    for kind in TRANSIENT_FAULTS {
        for fault in [Fault::unknown(kind), Fault::answered(kind)] {
            let end = verdict(Replay::Never, Evidence::Fault(fault));
            assert_eq!(end, End::Stopped(StopReason::NotReplayable), "{fault:?}");
        }
    }
}

#[test]
fn a_mutation_goes_on_from_proof_to_proof_and_stops_at_the_first_doubt() {
    let not_dispatched = refusal(Refusal::NotDispatched);
    let call = play(call(Replay::Never), [refused(), not_dispatched, refused(), reset(), status(200)]);
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::NotReplayable), 4));
    assert_eq!(call.history.to_string(), "refused, 404, refused, reset");
}

#[test]
fn proofs_of_a_mutation_spend_the_same_budget() {
    let call = play(call(Replay::Never), again(refused(), 100));
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::Exhausted), 6));
}

#[test]
fn the_gateways_404_is_survived_by_a_read_and_stops_a_mutation() {
    assert_eq!(verdict(Replay::Read, refusal(Refusal::Unavailable)), End::WantsMore);
    assert_eq!(verdict(Replay::Vouched, refusal(Refusal::Unavailable)), End::WantsMore);
    let end = verdict(Replay::Never, refusal(Refusal::Unavailable));
    assert_eq!(end, End::Stopped(StopReason::NotReplayable));
}

#[test]
fn the_gateways_404_with_its_proof_is_survived_by_every_class() {
    for class in CLASSES {
        let call = play(call(class), [refusal(Refusal::NotDispatched), status(200)]);
        assert_eq!((call.end, call.sends), (End::Delivered, 2), "{class:?}");
        let first = call.history.iter().next().unwrap();
        assert_eq!(first.dispatch, Dispatch::NotDispatched(Proof::Gateway));
    }
}

#[test]
fn any_other_404_is_an_answer() {
    for class in CLASSES {
        assert_eq!(verdict(class, status(404)), End::Delivered, "{class:?}");
    }
}

#[test]
fn a_sandbox_that_is_deleted_meanwhile_ends_the_call_at_once() {
    let call = play(call(Replay::Read), [refusal(Refusal::Unavailable), status(404), status(200)]);
    assert_eq!((call.end, call.sends), (End::Delivered, 2));
}

#[test]
fn one_wake_seen_in_four_ways_is_one_history() {
    let seen = [status(502), status(502), refusal(Refusal::Unavailable), reset(), status(200)];
    let call = play(call(Replay::Read), seen);
    assert_eq!((call.end, call.sends), (End::Delivered, 5));
    assert_eq!(call.history.to_string(), "502, 502, 404, reset, 200");
}

#[test]
fn a_policy_can_name_other_statuses() {
    let policy =
        RetryPolicy::builder().statuses(StatusSet::TRANSIENT.with(520).without(429)).build().unwrap();
    let session = || Session::new(&policy, Replay::Read, 7);
    assert_eq!(play(session(), [status(520)]).end, End::WantsMore);
    assert_eq!(play(session(), [status(429)]).end, End::Delivered);
}

#[test]
fn a_session_knows_what_its_policy_holds_for_transient() {
    let policy = RetryPolicy::builder().statuses(StatusSet::NONE.with(520)).build().unwrap();
    for code in 100..=999 {
        let is_transient =
            |session: &Session| session.is_transient(http::StatusCode::from_u16(code).unwrap());
        for class in CLASSES {
            let expected = [425, 429, 502, 503, 504].contains(&code);
            assert_eq!(is_transient(&call(class)), expected, "{code}");
            assert_eq!(is_transient(&Session::new(&policy, class, 7)), code == 520, "{code}");
        }
    }
}

#[test]
fn a_deadline_bounds_every_attempt_by_what_is_left() {
    let mut session = call(Replay::Read).deadline(Tick::ZERO.after(SECOND));
    assert_eq!(session.begin(Tick::ZERO).unwrap().limit, Some((SECOND, Limit::Deadline)));
    let later = Tick::ZERO.after(SECOND * 3 / 4);
    assert_eq!(session.begin(later).unwrap().limit, Some((SECOND / 4, Limit::Deadline)));
}

#[test]
fn a_deadline_ends_the_call_before_a_wait_that_would_pass_it() {
    let call = play(call(Replay::Read).deadline(Tick::ZERO.after(SECOND)), again(status(503), 100));
    assert_eq!(call.end, End::Stopped(StopReason::Deadline));
    // 0.2 s and 0.4 s fit, 0.8 s do not.
    assert_eq!(call.sends, 3);
}

#[test]
fn an_attempt_that_the_deadline_cut_is_the_last() {
    for class in CLASSES {
        let cut = Evidence::Fault(Fault::unknown(Limit::Deadline.fault()));
        assert_eq!(verdict(class, cut), End::Stopped(StopReason::Deadline), "{class:?}");
    }
}

#[test]
fn nothing_is_sent_once_the_deadline_has_passed() {
    let mut session = call(Replay::Read).deadline(Tick::from_nanos(5));
    assert_eq!(session.begin(Tick::from_nanos(5)), Err(StopReason::Deadline));
    assert!(session.history().is_empty());
}

#[test]
fn an_attempts_own_time_out_bounds_it_and_leaves_time_for_another() {
    let policy = RetryPolicy::builder().attempt_timeout(SECOND).limit(SECOND * 10).build().unwrap();
    let mut session = Session::new(&policy, Replay::Read, 7);
    assert_eq!(session.begin(Tick::ZERO).unwrap().limit, Some((SECOND, Limit::Attempt)));
    let late = Tick::ZERO.after(SECOND * 19 / 2);
    assert_eq!(session.begin(late).unwrap().limit, Some((SECOND / 2, Limit::Deadline)));

    let timed_out = Evidence::Fault(Fault::unknown(Limit::Attempt.fault()));
    assert_eq!(verdict(Replay::Read, timed_out.clone()), End::WantsMore);
    assert_eq!(verdict(Replay::Never, timed_out), End::Stopped(StopReason::NotReplayable));
}

#[test]
fn of_limit_and_deadline_the_nearer_one_counts() {
    let policy = RetryPolicy::builder().limit(SECOND * 4).build().unwrap();
    for (deadline, left) in [(SECOND, SECOND), (SECOND * 9, SECOND * 4)] {
        let mut session = Session::new(&policy, Replay::Read, 7).deadline(Tick::ZERO.after(deadline));
        session.begin(Tick::ZERO).unwrap();
        assert_eq!(session.time_left(Tick::ZERO), Some(left));
    }
}

#[test]
fn without_limits_an_attempt_is_not_bounded() {
    let plan = call(Replay::Read).begin(Tick::ZERO).unwrap();
    assert_eq!((plan.number, plan.limit), (1, None));
}

#[test]
fn the_standby_preset_lasts_a_minute_and_no_longer() {
    for seed in 0..200 {
        let session = Session::new(&RetryPolicy::standby(), Replay::Read, seed);
        let call = play(session, again(status(503), 1000));
        assert_eq!(call.end, End::Stopped(StopReason::Deadline));
        let total: Duration = call.waits.iter().sum::<Duration>() + ATTEMPT * call.sends;
        assert!((SECOND * 30..=SECOND * 60).contains(&total), "{total:?}");
        assert!(call.waits[0] >= SECOND / 2 && call.waits[0] < SECOND);
    }
}

#[test]
fn a_history_says_what_was_seen_how_long_it_took_and_how_long_was_waited() {
    let call = play(call(Replay::Read), [status(503), reset(), status(200)]);
    let attempts: Vec<_> = call.history.iter().copied().collect();
    let [first, second, third] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert_eq!(call.history.to_string(), "503, reset, 200");
    assert_eq!([first.took, second.took, third.took], [ATTEMPT; 3]);
    assert_eq!([first.wait, second.wait, third.wait], [call.waits[0], call.waits[1], Duration::ZERO]);
    assert_eq!(first.began, Duration::ZERO);
    assert_eq!(second.began, ATTEMPT + first.wait);
    assert_eq!([first.dispatch, second.dispatch], [Dispatch::Answered, Dispatch::Unknown]);
    assert_eq!(call.history.elapsed(), third.began + ATTEMPT);
}

#[test]
fn the_answer_and_its_broken_body_are_one_attempt() {
    let cut = || Evidence::HeadThenFault(200, Fault::answered(FaultKind::BodyCut));
    let call = play(call(Replay::Read), again(cut(), 100));
    assert_eq!((call.end, call.sends), (End::Stopped(StopReason::Exhausted), 6));
    assert_eq!(call.history.len(), 6);
    assert_eq!(call.history.to_string(), ["body cut"; 6].join(", "));
    assert!(call.history.iter().all(|attempt| attempt.dispatch == Dispatch::Answered));
}

#[test]
fn a_vouched_call_that_met_503_and_then_a_conflict_may_have_run() {
    let put = play(call(Replay::Vouched), [status(503), status(409)]);
    assert!(put.history.may_have_run(None));
    let proven = play(call(Replay::Vouched), [refused(), refusal(Refusal::NotDispatched), status(409)]);
    assert!(!proven.history.may_have_run(None));
    let at_once = play(call(Replay::Never), [status(409)]);
    assert!(!at_once.history.may_have_run(None));
    let stopped = play(call(Replay::Never), [status(503)]);
    assert!(stopped.history.may_have_run(Some(StopReason::NotReplayable)));
}

#[test]
fn a_wait_for_the_word_stands_in_the_history_in_place_of_the_schedules() {
    let mut session = call(Replay::Read);
    let mut now = Tick::ZERO;
    session.begin(now).unwrap();
    status(503).show(&mut session, now);
    session.waited(now, now.after(Duration::from_millis(37)));
    now = now.after(Duration::from_millis(37));
    session.begin(now).unwrap();
    status(200).show(&mut session, now);
    assert_eq!(session.history().to_string(), "503, waited 37 ms for the probe, 200");
    let attempts: Vec<_> = session.history().iter().copied().collect();
    assert_eq!([attempts[0].wait, attempts[1].waited_for_probe], [Duration::ZERO, Duration::from_millis(37)]);
    assert_eq!(session.history().waited_for_probe(), Duration::from_millis(37));
}

#[test]
fn a_call_that_was_never_sent_still_says_how_long_it_waited() {
    let mut session = call(Replay::Never);
    session.waited(Tick::ZERO, Tick::ZERO.after(SECOND * 5));
    assert!(session.history().is_empty());
    assert_eq!(session.finish().to_string(), "waited 5.0 s for the probe");
}

#[test]
fn a_silent_read_is_raced_within_its_budget_and_a_mutation_never() {
    let mut session = call(Replay::Read);
    session.begin(Tick::ZERO).unwrap();
    for raced in 1..=5_u64 {
        let now = Tick::ZERO.after(SECOND * raced as u32);
        assert!(matches!(session.race(now), Verdict::Retry { wait: Duration::ZERO, .. }));
    }
    assert_eq!(session.race(Tick::ZERO.after(SECOND * 9)), Verdict::Stop(StopReason::Exhausted));
    status(200).show(&mut session, Tick::ZERO.after(SECOND * 10));
    assert_eq!(session.history().to_string(), "silent, silent, silent, silent, silent, 200");

    for (replay, resend, stop) in [
        (Replay::Never, Resend::Again, StopReason::NotReplayable),
        (Replay::Read, Resend::Once, StopReason::BodyOnce),
    ] {
        let mut session = call(replay).resend(resend);
        session.begin(Tick::ZERO).unwrap();
        assert_eq!(session.race(Tick::ZERO), Verdict::Stop(stop));
        assert!(session.history().is_empty());
    }
}
