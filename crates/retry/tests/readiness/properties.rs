//! What holds for any number of callers, windows, refusals and departures.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use reveille_retry::{Head, ReadinessPolicy, Replay, RetryPolicy, Session, Tick, Verdict};

use crate::world::{End, Health, Plan, Refuses, Server, at, play};

const ON: Option<ReadinessPolicy> = Some(ReadinessPolicy::new());
/// The longest gap between two looks, and two ways there and back.
const GAP: Duration = Duration::from_millis(504);

fn plan() -> impl Strategy<Value = Plan> {
    let replay = select(&[Replay::Read, Replay::Read, Replay::Never, Replay::Vouched]);
    let policy = prop_oneof![
        4 => Just(RetryPolicy::new()),
        1 => (0..8_u32).prop_map(|retries| RetryPolicy::new().with_retries(retries)),
        1 => Just(RetryPolicy::standby()),
    ];
    (0..3_000_u64, replay, policy, any::<u64>(), option::weighted(0.2, 0..9_000_u64)).prop_map(
        |(arrives, replay, policy, seed, leaves)| Plan {
            arrives: at(arrives),
            replay,
            policy,
            seed,
            leaves: leaves.map(at),
        },
    )
}

fn server() -> impl Strategy<Value = Server> {
    let windows = vec((0..9_000_u64, 0..6_000_u64), 0..3)
        .prop_map(|all| all.into_iter().map(|(from, long)| (at(from), at(from + long))).collect());
    let health =
        prop_oneof![6 => Just(Health::True), 1 => Just(Health::Forbidden), 1 => Just(Health::Silent)];
    let refuses = prop_oneof![
        4 => Just(Refuses::Status),
        1 => (0..40_u64).prop_map(Refuses::StatusAfter),
        2 => Just(Refuses::Reset),
    ];
    let app = prop_oneof![4 => Just(0), 1 => 0..8_000_u64];
    (windows, health, refuses, app, 0..120_000_u64).prop_map(|(windows, health, refuses_by, app, micros)| {
        let latency = Duration::from_micros(micros);
        Server { windows, app_starts: at(app), health, refuses_by, latency }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_call_ends_and_is_sent_no_more_often_than_it_may_be(
        server in server(), plans in vec(plan(), 1..30),
    ) {
        let record = play(&server, &plans, ON);
        for (story, plan) in record.stories.iter().zip(&plans) {
            prop_assert_ne!(story.end, End::Open);
            prop_assert!(story.sends.len() <= plan.policy.retries() as usize + 1);
            if plan.replay == Replay::Never {
                prop_assert!(story.sends.len() <= 1);
            }
        }
    }

    #[test]
    fn there_is_one_probe_at_a_time(server in server(), plans in vec(plan(), 1..30)) {
        let record = play(&server, &plans, ON);
        for pair in record.probes.windows(2) {
            prop_assert!(pair[0].ended <= pair[1].began, "{pair:?}");
        }
    }

    #[test]
    fn no_mutation_is_sent_before_a_word(
        window in 0..9_000_u64, mut plans in vec(plan(), 1..30),
    ) {
        plans.iter_mut().filter(|plan| plan.policy.retries() == 0).for_each(|plan| plan.policy = RetryPolicy::new());
        let record = play(&Server::resuming(Duration::from_millis(window)), &plans, ON);
        let answers = record.stories.iter().filter(|story| story.end == End::Delivered).map(|story| story.ended);
        let probes = record.probes.iter().filter(|probe| probe.was_answered).map(|probe| probe.ended);
        let word = answers.chain(probes).min().unwrap_or(Tick::MAX);
        for (story, plan) in record.stories.iter().zip(&plans) {
            if let (Replay::Never, Some(sent)) = (plan.replay, story.sends.first()) {
                prop_assert!(*sent >= word);
                prop_assert!(matches!(story.end, End::Delivered | End::Left));
            }
        }
    }

    #[test]
    fn a_sandbox_that_is_ready_releases_everybody_within_one_gap(
        window in 0..5_000_u64, plans in vec(plan(), 1..30), reset: bool,
    ) {
        let refuses_by = if reset { Refuses::Reset } else { Refuses::Status };
        let server = Server { refuses_by, ..Server::resuming(Duration::from_millis(window)) };
        let record = play(&server, &plans, ON);
        for (story, plan) in record.stories.iter().zip(&plans) {
            if story.end == End::Delivered {
                let possible = at(window).max(plan.arrives);
                prop_assert!(story.ended.since(possible) < GAP, "{:?}", story);
            }
        }
    }

    #[test]
    fn what_survives_without_readiness_survives_with_it(
        window in 0..6_500_u64, app in prop_oneof![3 => Just(0), 1 => 0..6_000_u64],
        replays in vec(select(&[Replay::Read, Replay::Never, Replay::Vouched]), 1..20), seed: u64,
    ) {
        let server = Server {
            app_starts: at(app),
            latency: Duration::ZERO,
            ..Server::resuming(Duration::from_millis(window))
        };
        let plans: Vec<Plan> = replays
            .iter()
            .enumerate()
            .map(|(at, replay)| Plan { replay: *replay, ..Plan::read(seed.wrapping_add(at as u64)) })
            .collect();
        let (with, without) = (play(&server, &plans, ON), play(&server, &plans, None));
        for (with, without) in with.stories.iter().zip(&without.stories) {
            if without.end == End::Delivered {
                prop_assert_eq!(with.end, End::Delivered);
            }
            if let (Some(last), Some(own)) = (with.sends.last(), without.sends.last())
                && without.end != End::Delivered && without.sends.len() == 6
            {
                prop_assert!(last <= own);
            }
        }
    }

    #[test]
    fn looking_at_its_schedule_changes_nothing_of_a_call(
        retries in 0..20_u32, seed: u64, asks in vec(any::<bool>(), 20), start: u64,
    ) {
        let policy = RetryPolicy::new().with_retries(retries);
        let waits = |looks: bool| {
            let mut session = Session::new(&policy, Replay::Read, seed);
            let mut waits = vec![];
            for asks in &asks {
                if looks && *asks {
                    let _ = session.last_send(Tick::from_nanos(start));
                }
                if session.begin(at(0)).is_err() {
                    break;
                }
                let headers = HeaderMap::new();
                match session.on_head(at(0), &Head::new(StatusCode::SERVICE_UNAVAILABLE, &headers)) {
                    Verdict::Retry { wait, .. } => waits.push(wait),
                    _ => break,
                }
            }
            waits
        };
        prop_assert_eq!(waits(true), waits(false));
    }

    #[test]
    fn a_wait_for_the_word_leaves_the_later_sends_in_their_places(
        seed: u64, waited in prop::collection::vec(prop_oneof![1 => Just(0), 3 => 0..3_000_u64], 1..4),
    ) {
        let headers = HeaderMap::new();
        let refuse = |session: &mut Session, now| {
            session.on_head(now, &Head::new(StatusCode::SERVICE_UNAVAILABLE, &headers))
        };
        // When each send of the schedule comes.
        let mut own = vec![at(0)];
        let mut session = Session::new(&RetryPolicy::new(), Replay::Read, seed);
        let last = session.last_send(at(0));
        while let Verdict::Retry { wait, .. } = refuse(&mut session, own[own.len() - 1]) {
            own.push(own[own.len() - 1].after(wait));
            prop_assert!(session.begin(own[own.len() - 1]).is_ok());
        }
        prop_assert_eq!(own[5], last);

        let mut session = Session::new(&RetryPolicy::new(), Replay::Read, seed);
        let (mut now, mut sends, mut waited) = (at(0), 0, waited.into_iter());
        loop {
            if let Some(wait) = waited.next() {
                let since = now;
                now = since.after(Duration::from_millis(wait)).min(session.last_send(since));
                session.waited(since, now);
            }
            prop_assert!(session.begin(now).is_ok());
            sends += 1;
            let Verdict::Retry { wait, .. } = refuse(&mut session, now) else { break };
            if waited.len() == 0 {
                now = now.after(wait);
                prop_assert!(own.contains(&now), "{now:?} {own:?}");
            }
        }
        prop_assert!(sends <= 6 && now <= last);
    }
}
