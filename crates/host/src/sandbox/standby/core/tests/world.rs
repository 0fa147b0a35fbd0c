//! A host's core of one sandbox, and all that can happen to it, in whatever order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::sample::Index;

use super::super::*;
use super::engine::{Engine, Order};
use super::{Doing, MAX_HELD, Outcome, SILENCE, STANDBY, Step};
use crate::engine::Issuer;

/// The world around a core: an engine, its sandbox, and the clients.
pub(super) struct World {
    pub(super) core: Core<u32>,
    pub(super) now: Instant,
    pub(super) engine: Engine,
    out: Option<Command>,
    /// What was given up on, and not carried out yet.
    late: Vec<Order>,
    deleting: Option<Generation>,
    pub(super) is_deleted: bool,
    held: BTreeSet<Ticket>,
    open: Vec<Open>,
}

struct Open {
    pass: Pass<u32>,
    moved: Instant,
    answer: Option<Answer>,
}

impl World {
    /// One in which all of this has happened.
    pub(super) fn after(steps: &[Step]) -> Self {
        let mut world = World::new();
        steps.iter().for_each(|step| world.take(step));
        world
    }

    fn new() -> Self {
        let now = Instant::now();
        let wake = wake::Rules { max_held: MAX_HELD, window: Duration::ZERO, issuer: Issuer::new(1) };
        let idle = idle::Rules { standby_after: STANDBY, silence: SILENCE };
        Self {
            core: Core::new(now, wake, idle, Generation::NONE),
            now,
            engine: Engine::default(),
            out: None,
            late: Vec::new(),
            deleting: None,
            is_deleted: false,
            held: BTreeSet::new(),
            open: Vec::new(),
        }
    }

    fn command(&mut self, command: Option<Command>) {
        let Some(command) = command else { return };
        assert_eq!(self.out, None, "{command:?} while another command is waited for");
        self.out = Some(command);
    }

    fn let_in(&mut self, pass: Pass<u32>) {
        assert!(!matches!(self.out, Some(Command::Sleep(_))), "sent to a sandbox that is going to sleep");
        if !self.engine.unheard {
            assert_eq!(self.engine.awake, Some(pass.agent), "sent to where no agent is");
        }
        self.open.push(Open { pass, moved: self.now, answer: None });
    }

    pub(super) fn arrive(&mut self, patience: Patience) {
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

    pub(super) fn end(&mut self, outcome: Outcome) {
        let Some(command) = self.out.take() else { return };
        if outcome == Outcome::GivenUp {
            self.late.push(Order::Command(command));
        }
        match command {
            Command::Wake(generation) => self.end_wake(generation, outcome),
            Command::Sleep(generation) => self.end_sleep(generation, outcome),
        }
    }

    fn end_wake(&mut self, generation: Generation, outcome: Outcome) {
        let result = match outcome {
            Outcome::Badly if self.engine.awake.is_none() => match self.engine.accept(generation) {
                Ok(()) => Err(NotWoken::Failed),
                Err(latest) => Err(NotWoken::Overtaken(latest)),
            },
            // One that is awake needs no more than an answer.
            Outcome::Well | Outcome::Badly => {
                match self.engine.carry_out(Order::Command(Command::Wake(generation))) {
                    Ok(()) => {
                        self.engine.unheard = false;
                        Ok(self.engine.awake.unwrap())
                    }
                    Err(latest) => Err(NotWoken::Overtaken(latest)),
                }
            }
            Outcome::GivenUp => Err(NotWoken::Unknown),
        };
        match self.core.woke(self.now, generation, result) {
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
            Called::Again(command) => self.out = Some(command),
            Called::Ignored => panic!("nobody wants to know of a command that is waited for"),
        }
    }

    fn end_sleep(&mut self, generation: Generation, outcome: Outcome) {
        let told = match outcome {
            Outcome::Well => match self.engine.carry_out(Order::Command(Command::Sleep(generation))) {
                Ok(()) => Slept::Asleep,
                Err(latest) => Slept::Overtaken(latest),
            },
            Outcome::Badly => match (self.engine.accept(generation), self.engine.awake) {
                (Err(latest), _) => Slept::Overtaken(latest),
                (Ok(()), Some(agent)) => Slept::StillAwake(agent),
                (Ok(()), None) => Slept::Asleep,
            },
            Outcome::GivenUp => Slept::Unknown,
        };
        if outcome != Outcome::GivenUp && !matches!(told, Slept::Overtaken(_)) {
            self.engine.unheard = false;
        }
        let command = self.core.slept(self.now, generation, told);
        self.command(command);
    }

    /// What was given up on is carried out; whoever might still tell of it is not listened to.
    fn land(&mut self, order: Order) {
        let result = self.engine.carry_out(order);
        match order {
            Order::Command(Command::Wake(generation)) => {
                let agent = self.engine.awake.unwrap_or(u32::MAX);
                let result = result.map(|()| agent).map_err(NotWoken::Overtaken);
                assert_eq!(self.core.woke(self.now, generation, result), Called::Ignored);
            }
            Order::Command(Command::Sleep(generation)) => {
                assert_eq!(self.core.slept(self.now, generation, Slept::Asleep), None);
            }
            Order::Delete(_) => {}
        }
    }

    /// What the watcher does.
    pub(super) fn idle(&mut self) {
        let before = self.out;
        let command = match self.core.doubt_when_due(self.now) {
            Some(Doubt::Command) => self.core.settle_if_due(self.now),
            Some(Doubt::News) => {
                let generation = self.engine.accepted.max(self.core.generation());
                self.engine.unheard = false;
                self.core.hear(self.now, generation, said(self.engine.awake));
                None
            }
            None => {
                let waking = self.core.agent().map(|(_, waking)| waking);
                waking.and_then(|waking| self.core.sleep_if_due(self.now, waking))
            }
        };
        self.command(command);
        if self.out != before {
            for open in &self.open {
                assert!(open.answer.is_some(), "put to sleep under a request that waits for its answer");
                assert!(self.now - open.moved >= SILENCE, "put to sleep under an open request");
            }
        }
    }

    fn sleep_now(&mut self, streams: Streams) {
        match self.core.sleep_now(self.now, streams) {
            Ok(command) => {
                if command.is_some() {
                    let in_the_middle = |open: &Open| open.answer != Some(Answer::Stream);
                    assert!(!self.open.iter().any(in_the_middle), "put to sleep in the middle of an answer");
                }
                self.command(command);
            }
            Err(Busy { requests, settle }) => {
                assert!(requests <= self.open.len());
                assert!(requests > 0 || settle.is_some_and(|at| at > self.now));
            }
        }
    }

    fn others(&mut self, doing: Doing) {
        if self.engine.is_deleted {
            return;
        }
        self.engine.accepted = self.engine.accepted.next(Issuer::new(doing as u32 * 2));
        match doing {
            Doing::Sleep => self.engine.awake = None,
            Doing::Wake => self.engine.wake(),
        }
        self.engine.unheard = true;
        self.engine.news.push((self.engine.accepted, self.engine.awake));
    }

    fn hear(&mut self, index: &Index) {
        if self.engine.news.is_empty() {
            return;
        }
        let at = index.index(self.engine.news.len());
        let (generation, awake) = self.engine.news[at];
        if at + 1 == self.engine.news.len() && generation == self.engine.accepted {
            self.engine.unheard = false;
        }
        self.core.hear(self.now, generation, said(awake));
    }

    fn end_delete(&mut self, outcome: Outcome) {
        let Some(mut generation) = self.deleting.take() else { return };
        match outcome {
            Outcome::Well => {
                while let Err(latest) = self.engine.carry_out(Order::Delete(generation)) {
                    generation = self.core.remove_again(latest);
                }
                self.is_deleted = true;
            }
            Outcome::Badly => self.core.restore(self.now),
            Outcome::GivenUp => {
                self.late.push(Order::Delete(generation));
                self.core.restore(self.now);
            }
        }
    }

    fn with_open(&mut self, index: &Index, act: impl FnOnce(&mut Self, OpenId)) {
        if self.open.is_empty() {
            return;
        }
        let at = index.index(self.open.len());
        self.open[at].moved = self.now;
        let open = self.open[at].pass.open;
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
                let comes = world.engine.awake.is_some() || world.engine.unheard || world.out.is_some();
                assert!(deaf || comes, "what was sent reaches nobody");
            }),
            Step::Received(index) => {
                self.with_open(index, |world, open| world.core.received(open, world.now));
            }
            Step::Answered(index, answer) => {
                if !self.open.is_empty() {
                    let at = index.index(self.open.len());
                    self.open[at].answer = Some(*answer);
                }
                self.with_open(index, |world, open| world.core.answered(open, *answer, world.now));
            }
            Step::Close(index) if !self.open.is_empty() => {
                let open = self.open.swap_remove(index.index(self.open.len()));
                self.core.close(open.pass.open, self.now);
            }
            Step::Close(_) => {}
            Step::Pass(seconds) => self.now += Duration::from_secs(*seconds),
            Step::End(outcome) => self.end(*outcome),
            Step::Land(index) if !self.late.is_empty() => {
                let order = self.late.swap_remove(index.index(self.late.len()));
                self.land(order);
            }
            Step::Land(_) => {}
            Step::Idle => self.idle(),
            Step::SleepNow(streams) => self.sleep_now(*streams),
            Step::Others(doing) => self.others(*doing),
            Step::Hear(index) => self.hear(index),
            Step::Doubt => self.core.doubt(self.now),
            Step::Lost => {
                if let Some(open) = self.open.last() {
                    self.core.lost(open.pass.waking);
                }
            }
            Step::Delete if self.deleting.is_none() && !self.is_deleted => {
                let (told, generation) = self.core.remove();
                let told: BTreeSet<Ticket> = told.into_iter().collect();
                assert_eq!(told, std::mem::take(&mut self.held), "somebody was not told");
                self.late.extend(self.out.take().map(Order::Command));
                self.deleting = Some(generation);
            }
            Step::Delete => {}
            Step::EndDelete(outcome) => self.end_delete(*outcome),
        }
    }

    /// Whatever is open ends.
    pub(super) fn close_all(&mut self) {
        while let Some(open) = self.open.pop() {
            self.core.close(open.pass.open, self.now);
        }
    }

    /// Nobody comes any more, and what is out ends well.
    pub(super) fn settle(&mut self) {
        self.end_delete(Outcome::Well);
        for _ in 0..10 {
            self.end(Outcome::Well);
        }
        assert_eq!(self.out, None, "commands without end");
        assert!(self.held.is_empty(), "somebody waits for ever");
    }

    pub(super) fn land_all(&mut self) {
        while let Some(order) = self.late.pop() {
            self.land(order);
        }
    }
}

fn said(awake: Option<u32>) -> News<u32> {
    awake.map_or(News::Resting, News::Awake)
}
