//! Budgets, numbers at their ends, and clocks that jump.

use std::time::Duration;

use reveille_retry::{Replay, RetryPolicy, Session, StopReason, Tick, Verdict};

use crate::call::{End, Evidence, again, call, play, refused, reset, status};

const SECOND: Duration = Duration::from_secs(1);

fn retries(retries: u32) -> Session {
    Session::new(&RetryPolicy::new().with_retries(retries), Replay::Read, 7)
}

#[test]
fn a_budget_is_the_number_of_sends_after_the_first_whatever_their_causes() {
    for budget in [1, 2, 5, 100] {
        let mixed = [status(503), reset(), refused(), status(429)].into_iter().cycle();
        let call = play(retries(budget), mixed);
        assert_eq!((call.end, call.sends), (End::Stopped(StopReason::Exhausted), budget + 1));
    }
}

#[test]
fn a_call_that_succeeds_at_once_is_sent_once() {
    for budget in [0, 1, u32::MAX] {
        let call = play(retries(budget), [status(200)]);
        assert_eq!((call.end, call.sends), (End::Delivered, 1));
        assert_eq!(call.history.to_string(), "200");
    }
}

#[test]
fn a_budget_without_an_end_goes_on_with_the_longest_wait() {
    let call = play(retries(u32::MAX), again(status(503), 10_000));
    assert_eq!((call.end, call.waits.len()), (End::WantsMore, 10_000));
    let longest = 2 * SECOND..2 * SECOND + SECOND / 5;
    assert!(call.waits[4..].iter().all(|wait| longest.contains(wait)));
}

#[test]
fn a_history_of_very_many_attempts_stays_small_and_knows_its_end() {
    let mut evidence: Vec<Evidence> = again(status(503), 9_999).collect();
    evidence.push(status(200));
    let call = play(retries(u32::MAX), evidence);
    assert_eq!((call.history.len(), call.history.iter().count()), (10_000, 256));
    assert_eq!(call.history.last().unwrap().seen.to_string(), "200");
    assert!(call.history.elapsed() > 19_000 * SECOND, "{:?}", call.history.elapsed());
    let line = call.history.to_string();
    assert!(line.len() < 2000 && line.ends_with("503, 9744 more, 200"), "{line}");
}

#[test]
fn a_base_of_zero_waits_for_the_jitter_alone() {
    let policy = RetryPolicy::builder().base(Duration::ZERO).build().unwrap();
    let call = play(Session::new(&policy, Replay::Read, 7), again(status(503), 6));
    assert!(call.waits.iter().all(|wait| *wait < SECOND / 5), "{:?}", call.waits);
}

#[test]
fn without_base_and_jitter_there_is_no_wait() {
    let policy = RetryPolicy::builder().base(Duration::ZERO).jitter(Duration::ZERO).build().unwrap();
    let call = play(Session::new(&policy, Replay::Read, 7), again(status(503), 6));
    assert_eq!(call.waits, [Duration::ZERO; 5]);
}

#[test]
fn a_cap_below_the_base_bounds_the_first_wait_already() {
    for cap in [Duration::ZERO, Duration::from_millis(50)] {
        let policy = RetryPolicy::builder().cap(cap).jitter(Duration::ZERO).build().unwrap();
        let call = play(Session::new(&policy, Replay::Read, 7), again(status(503), 6));
        assert_eq!(call.waits, [cap; 5]);
    }
}

#[test]
fn the_longest_durations_there_are_do_no_harm() {
    let policy = RetryPolicy::builder()
        .base(Duration::MAX)
        .cap(Duration::MAX)
        .jitter(Duration::MAX)
        .server_delay_cap(Duration::MAX)
        .limit(Duration::MAX)
        .attempt_timeout(Duration::MAX / 2)
        .build()
        .unwrap();
    let call = play(Session::new(&policy, Replay::Read, 7), again(status(503), 6));
    assert_eq!(call.end, End::Stopped(StopReason::Deadline));
}

#[test]
fn a_clock_that_goes_backwards_does_no_harm() {
    let mut session = call(Replay::Read).deadline(Tick::from_nanos(50 * 1_000_000_000));
    session.begin(Tick::from_nanos(20 * 1_000_000_000)).unwrap();
    let verdict = status(503).show(&mut session, Tick::from_nanos(10 * 1_000_000_000));
    assert!(matches!(verdict, Verdict::Retry { .. }));
    assert_eq!(session.history().last().unwrap().took, Duration::ZERO);
}

#[test]
fn a_night_asleep_during_a_wait_ends_a_call_with_a_deadline_and_no_other() {
    let morning = Tick::ZERO.after(12 * 3600 * SECOND);
    for (session, next) in [
        (call(Replay::Read), Ok(())),
        (call(Replay::Read).deadline(Tick::ZERO.after(60 * SECOND)), Err(StopReason::Deadline)),
    ] {
        let mut session = session;
        session.begin(Tick::ZERO).unwrap();
        status(503).show(&mut session, Tick::ZERO);
        assert_eq!(session.begin(morning).map(|_| ()), next);
    }
}

#[test]
fn an_attempt_that_would_have_no_time_to_be_answered_is_not_begun() {
    let deadline = Tick::ZERO.after(SECOND);
    let mut session = call(Replay::Read).deadline(deadline);
    session.begin(Tick::ZERO).unwrap();
    status(503).show(&mut session, Tick::ZERO);
    // The timer fired late.
    let late = Tick::ZERO.after(SECOND - Duration::from_millis(9));
    assert_eq!(session.begin(late), Err(StopReason::Deadline));
    let in_time = Tick::ZERO.after(SECOND - Duration::from_millis(10));
    assert_eq!(session.begin(in_time).unwrap().limit.unwrap().0, Duration::from_millis(10));
}

#[test]
fn a_first_attempt_gets_whatever_time_the_caller_gave() {
    let mut session = call(Replay::Read).deadline(Tick::from_nanos(1));
    assert!(session.begin(Tick::ZERO).is_ok());
}

#[test]
fn a_wait_is_chosen_so_that_the_next_attempt_has_time() {
    for millis in 1..1000 {
        let deadline = Tick::ZERO.after(Duration::from_millis(millis));
        let mut session = call(Replay::Read).deadline(deadline);
        session.begin(Tick::ZERO).unwrap();
        if let Verdict::Retry { wait, .. } = status(503).show(&mut session, Tick::ZERO) {
            let plan = session.begin(Tick::ZERO.after(wait)).unwrap();
            assert!(plan.limit.unwrap().0 >= Duration::from_millis(10));
        }
    }
}

#[test]
fn a_thousand_callers_after_one_outage_come_back_spread_out() {
    let mut arrivals = [0_u32; 10];
    for seed in 0..1000 {
        let call = play(Session::new(&RetryPolicy::new(), Replay::Read, seed), [status(503)]);
        let jitter = call.waits[0] - SECOND / 5;
        arrivals[(jitter.as_millis() / 20) as usize] += 1;
    }
    assert!(arrivals.iter().all(|count| (60..140).contains(count)), "{arrivals:?}");
}

#[test]
fn the_same_seed_gives_the_same_waits_and_another_seed_others() {
    let waits =
        |seed| play(Session::new(&RetryPolicy::new(), Replay::Read, seed), again(status(503), 6)).waits;
    for seed in [0, 1, 7, u64::MAX] {
        assert_eq!(waits(seed), waits(seed));
        assert_ne!(waits(seed), waits(seed ^ 1));
    }
}

#[test]
fn attempts_are_numbered_from_one() {
    let mut session = call(Replay::Read);
    for number in 1..=6 {
        assert_eq!(session.begin(Tick::ZERO).unwrap().number, number);
        reset().show(&mut session, Tick::ZERO);
    }
}
