//! Every order in which requests, commands and others' doings can meet, on virtual time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const STANDBY: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(900);
const MAX_HELD: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Arrive(Patience),
    Abandon(Index),
    Sent(Index),
    Received(Index),
    Answered(Index),
    Close(Index),
    Pass(u64),
    /// The command that is out ends, well or badly.
    End(Outcome),
    Idle,
    SleepNow,
    /// Somebody else puts it to sleep, and it is heard of.
    OthersSleep,
    /// Somebody else puts it to sleep, and nobody hears of it until its agent cannot be reached.
    OthersSleepUnheard,
    Lost,
    Delete,
    Restore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Well,
    Badly,
}

fn step() -> impl Strategy<Value = Step> {
    let patience = prop_oneof![4 => Just(Patience::Wait), 1 => Just(Patience::Leave)];
    prop_oneof![
        6 => patience.prop_map(Step::Arrive),
        1 => any::<Index>().prop_map(Step::Abandon),
        1 => any::<Index>().prop_map(Step::Sent),
        1 => any::<Index>().prop_map(Step::Received),
        2 => any::<Index>().prop_map(Step::Answered),
        4 => any::<Index>().prop_map(Step::Close),
        4 => (0_u64..1200).prop_map(Step::Pass),
        8 => prop_oneof![4 => Just(Outcome::Well), 1 => Just(Outcome::Badly)].prop_map(Step::End),
        4 => Just(Step::Idle),
        2 => Just(Step::SleepNow),
        1 => Just(Step::OthersSleep),
        1 => Just(Step::OthersSleepUnheard),
        1 => Just(Step::Lost),
        1 => Just(Step::Delete),
        1 => Just(Step::Restore),
    ]
}

/// The world around a core: an engine, its sandbox, and the clients. An agent is the number of its waking.
struct World {
    core: Core<u32>,
    now: Instant,
    out: Option<Command>,
    awake: Option<u32>,
    wakings: u32,
    /// Somebody else has changed it and nobody has heard of it.
    unheard: bool,
    held: BTreeSet<Ticket>,
    open: Vec<(Pass<u32>, Instant)>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let wake = wake::Rules { max_held: MAX_HELD, window: Duration::ZERO };
        let idle = idle::Rules { standby_after: STANDBY, silence: SILENCE };
        let core = Core::new(now, wake, idle);
        let (held, open) = (BTreeSet::new(), Vec::new());
        Self { core, now, out: None, awake: None, wakings: 0, unheard: false, held, open }
    }

    fn command(&mut self, command: Option<Command>) {
        let Some(command) = command else { return };
        assert_eq!(self.out, None, "{command:?} while another command is out");
        self.out = Some(command);
    }

    fn let_in(&mut self, pass: Pass<u32>) {
        assert_ne!(self.out, Some(Command::Sleep), "sent to a sandbox that is going to sleep");
        if !self.unheard {
            assert_eq!(self.awake, Some(pass.agent), "sent to where no agent is");
        }
        self.open.push((pass, self.now));
    }

    fn arrive(&mut self, patience: Patience) {
        let (entry, command) = self.core.arrive(self.now, patience);
        self.command(command);
        match entry {
            Entry::Forward(pass) => self.let_in(pass),
            Entry::Held(ticket) => {
                assert_eq!(patience, Patience::Wait);
                assert!(self.held.insert(ticket), "a ticket was given twice");
                assert!(self.held.len() <= MAX_HELD, "more wait than may");
                assert!(self.out.is_some(), "somebody waits and nothing happens");
            }
            Entry::Refused { .. } => {
                assert_eq!(patience, Patience::Leave);
                assert!(self.out.is_some(), "somebody was refused and nothing happens");
            }
            Entry::Full => assert_eq!(self.held.len(), MAX_HELD),
            Entry::Gone => assert_eq!(self.core.phase(), Phase::Gone),
        }
    }

    fn end(&mut self, outcome: Outcome) {
        match self.out.take() {
            Some(Command::Wake) => self.end_wake(outcome),
            Some(Command::Sleep) => self.end_sleep(outcome),
            None => {}
        }
    }

    fn end_wake(&mut self, outcome: Outcome) {
        let result = match outcome {
            Outcome::Well => Ok(self.wake()),
            Outcome::Badly => Err(()),
        };
        match self.core.woke(self.now, result) {
            Called::Released(passes) => {
                let order: Vec<Ticket> = passes.iter().map(|(ticket, _)| *ticket).collect();
                assert!(order.is_sorted(), "who came later goes first");
                for (ticket, pass) in passes {
                    assert!(self.held.remove(&ticket), "one was called who does not wait");
                    self.let_in(pass);
                }
                assert!(self.held.is_empty(), "it is awake and somebody still waits");
            }
            Called::Failed(tickets) => {
                assert_eq!(tickets.into_iter().collect::<BTreeSet<_>>(), std::mem::take(&mut self.held));
            }
            Called::Again => self.out = Some(Command::Wake),
            Called::Ignored => assert_eq!(self.core.phase(), Phase::Gone),
        }
    }

    fn wake(&mut self) -> u32 {
        self.unheard = false;
        *self.awake.get_or_insert_with(|| {
            self.wakings += 1;
            self.wakings
        })
    }

    fn end_sleep(&mut self, outcome: Outcome) {
        let outcome = match (outcome, self.awake) {
            (Outcome::Well, _) => {
                self.awake = None;
                Slept::Asleep
            }
            (Outcome::Badly, Some(agent)) => Slept::StillAwake(agent),
            (Outcome::Badly, None) => Slept::Unknown,
        };
        self.unheard = false;
        let command = self.core.slept(self.now, outcome);
        self.command(command);
    }

    fn idle(&mut self) {
        let Some((_, waking)) = self.core.agent() else { return };
        let command = self.core.sleep_if_due(self.now, waking);
        if command.is_some() {
            for (_, moved) in &self.open {
                assert!(self.now - *moved >= SILENCE, "put to sleep under an open request");
            }
        }
        self.command(command);
    }

    fn sleep_now(&mut self) {
        match self.core.sleep_now() {
            Ok(command) => self.command(command),
            Err(busy) => assert!(busy.requests > 0 && busy.requests <= self.open.len()),
        }
    }

    fn with_open(&mut self, index: &Index, act: impl FnOnce(&mut Self, OpenId)) {
        if self.open.is_empty() {
            return;
        }
        let at = index.index(self.open.len());
        self.open[at].1 = self.now;
        let open = self.open[at].0.open;
        act(self, open);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Arrive(patience) => self.arrive(*patience),
            Step::Abandon(index) if !self.held.is_empty() => {
                let ticket = *self.held.iter().nth(index.index(self.held.len())).unwrap();
                self.held.remove(&ticket);
                self.core.abandon(ticket);
            }
            Step::Abandon(_) => {}
            Step::Sent(index) => self.with_open(index, |world, open| {
                let command = world.core.sent(open, world.now);
                world.command(command);
                let deaf = world.core.phase() == Phase::Gone;
                assert!(deaf || world.awake.is_some() || world.unheard || world.out.is_some());
            }),
            Step::Received(index) => {
                self.with_open(index, |world, open| world.core.received(open, world.now));
            }
            Step::Answered(index) => {
                self.with_open(index, |world, open| world.core.answered(open, world.now));
            }
            Step::Close(index) if !self.open.is_empty() => {
                let (pass, _) = self.open.swap_remove(index.index(self.open.len()));
                self.core.close(pass.open, self.now);
            }
            Step::Close(_) => {}
            Step::Pass(seconds) => self.now += Duration::from_secs(*seconds),
            Step::End(outcome) => self.end(*outcome),
            Step::Idle => self.idle(),
            Step::SleepNow => self.sleep_now(),
            Step::OthersSleep => {
                self.awake = None;
                self.unheard = false;
                self.core.overtaken();
            }
            Step::OthersSleepUnheard => {
                self.awake = None;
                self.unheard = true;
            }
            Step::Lost => {
                if let Some((pass, _)) = self.open.last() {
                    self.core.lost(pass.waking);
                }
            }
            Step::Delete => {
                let told: BTreeSet<Ticket> = self.core.remove().into_iter().collect();
                assert_eq!(told, std::mem::take(&mut self.held), "somebody was not told");
            }
            // A delete ends only after the command that was out.
            Step::Restore if self.out.is_none() => self.core.restore(),
            Step::Restore => {}
        }
    }

    /// Nobody comes any more, and what is out ends well.
    fn settle(&mut self) {
        for _ in 0..10 {
            self.end(Outcome::Well);
        }
        assert_eq!(self.out, None, "commands without end");
        assert!(self.held.is_empty(), "somebody waits for ever");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_nobody_is_forgotten_and_nobody_meets_a_sleeping_agent(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.settle();
    }

    #[test]
    fn what_is_quiet_falls_asleep_whatever_happened_before(steps in prop::collection::vec(step(), 0..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.settle();
        while let Some((pass, _)) = world.open.pop() {
            world.core.close(pass.open, world.now);
        }
        let awake = world.core.phase() == Phase::Awake;
        world.now += STANDBY;
        world.idle();
        prop_assert_eq!(world.out, awake.then_some(Command::Sleep));
    }
}
