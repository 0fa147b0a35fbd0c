//! Whole calls through whole windows.

use std::time::Duration;

use reveille_retry::{ReadinessPolicy, Replay, RetryPolicy, StopReason, Tick};

use crate::world::{End, Health, Plan, Record, Refuses, Server, at, play};

const ON: Option<ReadinessPolicy> = Some(ReadinessPolicy::new());

fn window(millis: u64) -> Server {
    Server::resuming(Duration::from_millis(millis))
}

fn late(record: &Record, window: u64) -> Vec<Duration> {
    record.stories.iter().map(|story| story.ended.since(at(window))).collect()
}

#[test]
fn a_read_arrives_soon_after_every_window_with_few_requests() {
    for millis in [25, 100, 300, 500, 1_000, 2_000, 3_000, 4_000] {
        for seed in 0..50 {
            let record = play(&window(millis), &[Plan::read(seed)], ON);
            assert_eq!(record.stories[0].end, End::Delivered);
            assert_eq!(record.stories[0].sends.len(), 2);
            assert!(late(&record, millis)[0] < Duration::from_millis(502));
            assert!(record.requests() <= 15, "{millis}: {}", record.requests());
        }
    }
}

#[test]
fn a_hundred_readers_make_one_wake_of_it() {
    let plans: Vec<Plan> = (0..100).map(Plan::read).collect();
    let record = play(&window(2_000), &plans, ON);
    assert!(record.stories.iter().all(|story| story.end == End::Delivered));
    assert!(record.refused <= 10, "{}", record.refused);
    let ended = || record.stories.iter().map(|story| story.ended);
    assert!(ended().max().unwrap().since(ended().min().unwrap()) < Duration::from_millis(50));
}

#[test]
fn a_mutation_through_a_window_arrives_once() {
    for seed in 0..200 {
        let record = play(&window(300), &[Plan::mutation(seed)], ON);
        assert_eq!((record.stories[0].end, record.stories[0].sends.len()), (End::Delivered, 1));
    }
}

#[test]
fn a_mutation_that_the_window_outlasts_is_never_sent() {
    let record = play(&window(20_000), &[Plan::mutation(3)], ON);
    assert_eq!(record.stories[0].end, End::Stopped(StopReason::NoWord));
    assert!(record.stories[0].sends.is_empty());
    assert!(record.stories[0].history.starts_with("waited 5."), "{}", record.stories[0].history);
}

#[test]
fn a_mutation_to_a_sandbox_that_is_up_costs_one_probe_and_the_next_none() {
    let second = Plan { arrives: at(100), ..Plan::mutation(2) };
    let record = play(&window(0), &[Plan::mutation(1), second], ON);
    assert_eq!((record.probes.len(), record.requests()), (1, 3));
}

#[test]
fn a_read_to_a_sandbox_that_is_up_costs_nothing_else() {
    let record = play(&window(0), &[Plan::read(1)], ON);
    assert_eq!((record.probes.len(), record.requests()), (0, 1));
    assert_eq!(record.stories[0].history, "200");
}

#[test]
fn an_app_that_still_starts_is_met_by_the_calls_own_schedule() {
    let server = Server { app_starts: at(60_000), ..window(0) };
    let record = play(&server, &[Plan::read(9)], ON);
    assert_eq!(record.stories[0].end, End::Stopped(StopReason::Exhausted));
    assert_eq!((record.probes.len(), record.stories[0].sends.len()), (1, 6));
    // The second was brought forward by the word; all others stand where the schedule has them.
    let alone = play(&server, &[Plan::read(9)], None);
    for (with, without) in record.stories[0].sends.iter().zip(&alone.stories[0].sends).skip(2) {
        let apart = with.since(*without).max(without.since(*with));
        assert!(apart < Duration::from_millis(10), "{with:?} {without:?}");
    }
}

#[test]
fn a_caller_that_goes_away_takes_nobody_down() {
    let plans: Vec<Plan> = (0..20)
        .map(|caller| Plan { leaves: (caller < 19).then(|| at(20 + 100 * caller)), ..Plan::read(caller) })
        .collect();
    let record = play(&window(1_990), &plans, ON);
    let last = &record.stories[19];
    assert_eq!(last.end, End::Delivered);
    assert!(last.ended.since(at(1_990)) < Duration::from_millis(502));
}

#[test]
fn nobody_looks_before_the_time_that_the_server_named() {
    let server = Server { refuses_by: Refuses::StatusAfter(2), ..window(3_000) };
    let plans: Vec<Plan> = (0..10).map(Plan::read).collect();
    let record = play(&server, &plans, ON);
    let looks: Vec<Tick> = record.probes.iter().map(|probe| probe.began).collect();
    assert!(looks.iter().all(|look| *look >= at(2_000)), "{looks:?}");
    assert!(looks.windows(2).all(|pair| pair[1].since(pair[0]) >= Duration::from_secs(2)), "{looks:?}");
    assert!(record.stories.iter().all(|story| story.end == End::Delivered));
}

#[test]
fn a_mutation_that_has_no_time_for_what_the_server_asked_is_not_sent_at_all() {
    let server = Server { refuses_by: Refuses::StatusAfter(25), ..window(3_000) };
    let read = Plan::read(1);
    let mutation = Plan { arrives: at(100), ..Plan::mutation(2) };
    let record = play(&server, &[read, mutation], ON);
    assert_eq!((record.stories[1].sends.len(), record.stories[1].ended), (0, at(100)));
}

#[test]
fn a_probe_without_leave_to_ask_holds_nobody_up() {
    let server = Server { health: Health::Forbidden, ..window(0) };
    let second = Plan { arrives: at(500), ..Plan::mutation(2) };
    let record = play(&server, &[Plan::mutation(1), second], ON);
    assert!(record.stories.iter().all(|story| story.end == End::Delivered));
    assert_eq!(record.probes.len(), 1);
}

#[test]
fn a_mutation_behind_a_probe_that_is_never_answered_goes_at_its_last_moment() {
    let server = Server { health: Health::Silent, ..window(0) };
    let record = play(&server, &[Plan::mutation(1)], ON);
    assert_eq!((record.stories[0].end, record.probes.len()), (End::Delivered, 1));
    assert!(record.stories[0].sends[0] >= at(5_000));
}

#[test]
fn a_read_behind_a_probe_that_is_never_answered_waits_a_little() {
    let server = Server { health: Health::Silent, ..window(0) };
    let read = Plan { arrives: at(1), ..Plan::read(2) };
    let record = play(&server, &[Plan::mutation(1), read], ON);
    assert_eq!(record.stories[1].sends, [at(100)]);
    // Its answer is the word that the mutation waits for.
    assert_eq!(record.stories[0].sends, [at(101)]);
}

#[test]
fn a_window_that_resets_connections_is_a_window() {
    let server = Server { refuses_by: Refuses::Reset, ..window(700) };
    let record = play(&server, &[Plan::read(1), Plan::mutation(2)], ON);
    assert!(record.stories.iter().all(|story| story.end == End::Delivered));
    assert_eq!(record.stories[1].sends.len(), 1);
}

#[test]
fn a_second_nap_is_met_like_the_first() {
    let server = Server { windows: vec![(at(0), at(300)), (at(30_000), at(30_300))], ..window(0) };
    let later = Plan { arrives: at(30_000), ..Plan::mutation(2) };
    let record = play(&server, &[Plan::mutation(1), later], ON);
    assert!(record.stories.iter().all(|story| story.end == End::Delivered && story.sends.len() == 1));
}

#[test]
fn without_retries_nothing_is_sent_but_what_the_caller_asked_for() {
    let ends = [
        (Replay::Read, StopReason::RetriesOff),
        (Replay::Never, StopReason::NotReplayable),
        (Replay::Vouched, StopReason::RetriesOff),
    ];
    for (replay, stop) in ends {
        let plan = Plan { replay, policy: RetryPolicy::never(), ..Plan::read(1) };
        let record = play(&window(300), &[plan], ON);
        assert_eq!((record.requests(), record.stories[0].end), (1, End::Stopped(stop)));
    }
}
