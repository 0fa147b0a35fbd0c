//! Every order in which requests, commands and others' doings can meet, on virtual time.

mod engine;
mod world;

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use world::World;

const STANDBY: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(900);
const MAX_HELD: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Arrive(Patience),
    Abandon(Index),
    Sent(Index),
    Received(Index),
    Answered(Index, Answer),
    Close(Index),
    Pass(u64),
    /// The command that is out ends.
    End(Outcome),
    /// A command that was given up on is carried out after all.
    Land(Index),
    Idle,
    SleepNow(Streams),
    /// Somebody else puts it to sleep or wakes it.
    Others(Doing),
    /// News of that come, in any order, or again.
    Hear(Index),
    /// News are missed.
    Doubt,
    Lost,
    Delete,
    EndDelete(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Well,
    Badly,
    /// Nobody waits for it any longer; it may still be carried out.
    GivenUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Sleep,
    Wake,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![5 => Just(Outcome::Well), 1 => Just(Outcome::Badly), 2 => Just(Outcome::GivenUp)]
}

fn step() -> impl Strategy<Value = Step> {
    let patience = prop_oneof![4 => Just(Patience::Wait), 1 => Just(Patience::Leave)];
    let answer = prop_oneof![Just(Answer::Whole), Just(Answer::Stream)];
    let streams = prop_oneof![Just(Streams::Settle), Just(Streams::Freeze)];
    let doing = prop_oneof![Just(Doing::Sleep), Just(Doing::Wake)];
    prop_oneof![
        6 => patience.prop_map(Step::Arrive),
        1 => any::<Index>().prop_map(Step::Abandon),
        1 => any::<Index>().prop_map(Step::Sent),
        1 => any::<Index>().prop_map(Step::Received),
        2 => (any::<Index>(), answer).prop_map(|(index, answer)| Step::Answered(index, answer)),
        4 => any::<Index>().prop_map(Step::Close),
        4 => (0_u64..1200).prop_map(Step::Pass),
        8 => outcome().prop_map(Step::End),
        3 => any::<Index>().prop_map(Step::Land),
        4 => Just(Step::Idle),
        2 => streams.prop_map(Step::SleepNow),
        2 => doing.prop_map(Step::Others),
        3 => any::<Index>().prop_map(Step::Hear),
        1 => Just(Step::Doubt),
        1 => Just(Step::Lost),
        1 => Just(Step::Delete),
        2 => outcome().prop_map(Step::EndDelete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_nobody_is_forgotten_and_nobody_meets_a_sleeping_agent(
        steps in prop::collection::vec(step(), 0..80)
    ) {
        World::after(&steps).settle();
    }

    #[test]
    fn what_is_quiet_falls_asleep_whatever_happened_before(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::after(&steps);
        world.settle();
        world.close_all();
        // News that nobody ever hears would leave it awake; an engine says when it has lost some.
        if world.engine.unheard {
            world.core.doubt(world.now);
        }
        for _ in 0..4 {
            world.now += STANDBY;
            world.idle();
            world.end(Outcome::Well);
        }
        prop_assert!(matches!(world.core.phase(), Phase::Resting | Phase::Gone), "{:?}", world.core.phase());
        prop_assert_eq!(world.engine.awake, None);
    }

    #[test]
    fn what_was_given_up_on_changes_nothing_that_came_after_it(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let mut world = World::after(&steps);
        world.settle();
        if world.is_deleted {
            world.land_all();
            prop_assert!(world.engine.is_deleted, "a late command brought back what was deleted");
            prop_assert_eq!(world.engine.awake, None);
            return Ok(());
        }
        world.arrive(Patience::Wait);
        for _ in 0..10 {
            world.end(Outcome::Well);
        }
        prop_assert_eq!(world.core.phase(), Phase::Awake);
        if !world.engine.unheard {
            let before = world.engine.awake;
            world.land_all();
            prop_assert_eq!(world.engine.awake, before, "a late command put it to sleep or moved it");
            prop_assert!(!world.engine.is_deleted, "a late delete removed what is in use");
        }
    }
}
