//! One rule each, told to the machine by hand.

use std::time::Duration;

use reveille_retry::{AfterRefusal, Order, Readiness, ReadinessPolicy, Replay, Tick, Ticket, Woken, Word};

use crate::world::at;

const PATIENT: u64 = 5_000;

fn sandbox() -> Readiness {
    Readiness::new(ReadinessPolicy::new())
}

fn arrive(sandbox: &mut Readiness, replay: Replay) -> Ticket {
    sandbox.arrive(replay, at(PATIENT))
}

/// A sandbox that answered a read at this moment.
fn heard(when: Tick) -> Readiness {
    let mut sandbox = sandbox();
    let mut ticket = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(when, &mut ticket), Order::Go);
    sandbox.answered(when, &mut ticket);
    sandbox.leave(&mut ticket);
    let _ = sandbox.woken();
    sandbox
}

/// A sandbox whose window a read has just met; the read waits.
fn asleep(when: Tick) -> (Readiness, Ticket) {
    let mut sandbox = sandbox();
    let mut read = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(when, &mut read), Order::Go);
    assert_eq!(sandbox.refused(when, &mut read, None), AfterRefusal::WaitForWord);
    sandbox.wait(&mut read, at(PATIENT));
    assert!(matches!(sandbox.poll(when, &mut read), Order::Wait { .. }));
    (sandbox, read)
}

fn waits(order: Order) -> bool {
    matches!(order, Order::Wait { .. })
}

#[test]
fn a_word_holds_for_ten_seconds() {
    let mut sandbox = heard(at(0));
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert_eq!(sandbox.poll(at(9_999), &mut mutation), Order::Go);
    let mut late = sandbox.arrive(Replay::Never, at(20_000));
    assert!(matches!(sandbox.poll(at(10_000), &mut late), Order::Probe { .. }));
}

#[test]
fn who_comes_beside_a_read_in_doubt_waits_a_hundred_milliseconds_at_most() {
    let mut sandbox = sandbox();
    let mut first = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(0), &mut first), Order::Go);
    let mut read = arrive(&mut sandbox, Replay::Read);
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert_eq!(sandbox.poll(at(40), &mut read), Order::Wait { until: at(100) });
    assert_eq!(sandbox.poll(at(40), &mut mutation), Order::Wait { until: at(100) });
    assert!(matches!(sandbox.poll(at(100), &mut mutation), Order::Probe { .. }));
    assert_eq!(sandbox.poll(at(200), &mut read), Order::Go);
}

#[test]
fn an_answer_releases_everybody_and_a_late_one_asks_when_it_likes() {
    let (mut sandbox, mut read) = asleep(at(0));
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert!(waits(sandbox.poll(at(1), &mut mutation)));
    assert!(matches!(sandbox.poll(at(10), &mut read), Order::Probe { .. }));
    let _ = sandbox.woken();
    sandbox.probed(at(12), &read, Word::Ready);
    assert_eq!(sandbox.woken(), Woken::All);
    assert_eq!(sandbox.poll(at(12), &mut read), Order::Go);
    // The word holds no longer, but it came while this one asked.
    assert_eq!(sandbox.poll(at(4_999), &mut mutation), Order::Go);
}

#[test]
fn a_probe_that_meets_the_window_releases_nobody() {
    let (mut sandbox, mut read) = asleep(at(0));
    assert!(matches!(sandbox.poll(at(10), &mut read), Order::Probe { .. }));
    sandbox.probed(at(11), &read, Word::Asleep(None));
    assert_eq!(sandbox.poll(at(11), &mut read), Order::Wait { until: at(30) });
}

#[test]
fn one_waits_and_looks_and_the_others_only_wait() {
    let (mut sandbox, mut first) = asleep(at(0));
    let mut second = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(5), &mut second), Order::Wait { until: at(PATIENT) });
    assert!(matches!(sandbox.poll(at(10), &mut first), Order::Probe { .. }));
    assert_eq!(sandbox.poll(at(10), &mut second), Order::Wait { until: at(PATIENT) });
    // The first goes away with its probe; the second is told, and looks at once.
    sandbox.leave(&mut first);
    assert_ne!(sandbox.woken(), Woken::Nobody);
    assert!(matches!(sandbox.poll(at(11), &mut second), Order::Probe { .. }));
}

#[test]
fn what_a_probe_says_that_was_overtaken_is_not_heard() {
    let (mut sandbox, mut read) = asleep(at(0));
    assert!(matches!(sandbox.poll(at(10), &mut read), Order::Probe { .. }));
    sandbox.forget();
    sandbox.probed(at(12), &read, Word::Ready);
    assert!(!sandbox.is_ready(at(12)));
}

#[test]
fn a_sandbox_that_was_put_to_sleep_is_unknown_and_older_answers_are_no_news() {
    let mut sandbox = heard(at(0));
    let mut under_way = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(1), &mut under_way), Order::Go);
    sandbox.forget();
    sandbox.answered(at(2), &mut under_way);
    assert!(!sandbox.is_ready(at(2)));
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert!(matches!(sandbox.poll(at(3), &mut mutation), Order::Probe { .. }));
}

#[test]
fn a_refusal_beside_a_young_word_is_the_apps_own() {
    let mut sandbox = heard(at(0));
    let mut read = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(500), &mut read), Order::Go);
    assert_eq!(sandbox.refused(at(501), &mut read, None), AfterRefusal::OwnSchedule);
    assert!(sandbox.is_ready(at(501)));
}

#[test]
fn a_refusal_under_an_older_word_is_looked_into_and_holds_nobody_else() {
    let mut sandbox = heard(at(0));
    let mut read = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(3_000), &mut read), Order::Go);
    let asked = Some(Duration::from_millis(700));
    assert_eq!(sandbox.refused(at(3_001), &mut read, asked), AfterRefusal::WaitForWord);
    sandbox.wait(&mut read, at(PATIENT));
    assert_eq!(sandbox.poll(at(3_001), &mut read), Order::Wait { until: at(3_701) });
    let mut beside = arrive(&mut sandbox, Replay::Never);
    assert_eq!(sandbox.poll(at(3_002), &mut beside), Order::Go);
    assert!(matches!(sandbox.poll(at(3_701), &mut read), Order::Probe { .. }));
    // Only a probe that meets the window holds all of them.
    sandbox.probed(at(3_702), &read, Word::Asleep(None));
    let mut after = arrive(&mut sandbox, Replay::Never);
    assert!(waits(sandbox.poll(at(3_703), &mut after)));
}

#[test]
fn a_refusal_that_was_on_its_way_when_the_window_ended_is_followed_by_a_send_at_once() {
    let (mut sandbox, mut read) = asleep(at(0));
    // This one was sent when the sandbox was awake last, and is refused only now.
    let mut straggler = arrive(&mut sandbox, Replay::Read);
    sandbox.wait(&mut straggler, at(1));
    assert_eq!(sandbox.poll(at(1), &mut straggler), Order::Go);
    assert!(matches!(sandbox.poll(at(10), &mut read), Order::Probe { .. }));
    sandbox.probed(at(11), &read, Word::Ready);
    assert_eq!(sandbox.refused(at(12), &mut straggler, None), AfterRefusal::WaitForWord);
    sandbox.wait(&mut straggler, at(PATIENT));
    assert_eq!(sandbox.poll(at(12), &mut straggler), Order::Go);
    // And once only.
    assert_eq!(sandbox.refused(at(13), &mut straggler, None), AfterRefusal::OwnSchedule);
}

#[test]
fn a_call_that_is_out_of_time_goes_if_it_reads_and_gives_up_if_it_does_not() {
    let (mut sandbox, mut read) = asleep(at(0));
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert!(waits(sandbox.poll(at(1), &mut mutation)));
    assert_eq!(sandbox.poll(at(PATIENT), &mut read), Order::Go);
    assert_eq!(sandbox.poll(at(PATIENT), &mut mutation), Order::GiveUp);
}

#[test]
fn a_window_that_nobody_waited_out_is_forgotten() {
    let (mut sandbox, mut read) = asleep(at(0));
    sandbox.leave(&mut read);
    let mut soon = sandbox.arrive(Replay::Read, at(60_000));
    assert!(matches!(sandbox.poll(at(5_000), &mut soon), Order::Probe { .. }));
    sandbox.leave(&mut soon);
    let mut later = sandbox.arrive(Replay::Read, at(60_000));
    assert_eq!(sandbox.poll(at(20_000), &mut later), Order::Go);
}

#[test]
fn a_word_that_never_holds_still_lets_everybody_go() {
    let mut sandbox = Readiness::new(ReadinessPolicy::new().fresh(Duration::ZERO));
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert!(matches!(sandbox.poll(at(0), &mut mutation), Order::Probe { .. }));
    sandbox.probed(at(1), &mutation, Word::Ready);
    assert_eq!(sandbox.poll(at(1), &mut mutation), Order::Go);
}

#[test]
fn a_word_that_never_holds_makes_no_loop_of_an_apps_own_refusals() {
    let mut sandbox = Readiness::new(ReadinessPolicy::new().fresh(Duration::ZERO));
    let mut read = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(0), &mut read), Order::Go);
    assert_eq!(sandbox.refused(at(1), &mut read, None), AfterRefusal::WaitForWord);
    sandbox.wait(&mut read, at(PATIENT));
    assert!(matches!(sandbox.poll(at(11), &mut read), Order::Probe { .. }));
    sandbox.probed(at(12), &read, Word::Ready);
    assert_eq!(sandbox.poll(at(12), &mut read), Order::Go);
    assert_eq!(sandbox.refused(at(13), &mut read, None), AfterRefusal::OwnSchedule);
}

#[test]
fn when_a_read_that_looks_goes_away_who_waits_beside_it_looks_at_once() {
    let mut sandbox = sandbox();
    let mut first = arrive(&mut sandbox, Replay::Read);
    assert_eq!(sandbox.poll(at(0), &mut first), Order::Go);
    let mut mutation = arrive(&mut sandbox, Replay::Never);
    assert!(waits(sandbox.poll(at(1), &mut mutation)));
    sandbox.leave(&mut first);
    assert_eq!(sandbox.woken(), Woken::All);
    assert!(matches!(sandbox.poll(at(2), &mut mutation), Order::Probe { .. }));
}
