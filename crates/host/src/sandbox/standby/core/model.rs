//! Every way in which a few threads can meet over one sandbox: requests, sleepers and wakers of the host's own and from
//! outside.
//!
//! The properties beside this try long orders at random; here all orders of a few steps are tried, by loom, with the
//! locks that a [`Resident`](crate::sandbox::Resident) takes and lets go of between them. A thread that waits for ever
//! is found as well.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::*;
use crate::engine::Issuer;

/// How often a thread is cut off where it could go on. All that two cuts can bring about is tried.
const CUTS: usize = 2;

/// A host's sandbox, and the engine that has it.
struct World {
    start: Instant,
    kept: Mutex<Kept>,
    /// Told when somebody's call comes.
    called: Condvar,
    engine: Mutex<Engine>,
}

struct Kept {
    core: Core<u32>,
    /// Those who wait, and what they are told.
    held: BTreeMap<Ticket, Option<Call>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Call {
    Go(Pass<u32>),
    Failed,
}

/// An agent is the number of its waking.
#[derive(Default)]
struct Engine {
    accepted: Generation,
    awake: Option<u32>,
    wakings: u32,
    /// How many wakings fail before one does not.
    failing: u32,
    /// Whether anybody but the host has commanded it.
    others: bool,
}

/// How a command ended.
enum Done {
    Awake(u32),
    Asleep,
    Failed,
    Overtaken(Generation),
}

impl Engine {
    fn carry_out(&mut self, command: Command) -> Done {
        let (Command::Wake(generation) | Command::Sleep(generation)) = command;
        if generation < self.accepted {
            return Done::Overtaken(self.accepted);
        }
        self.accepted = generation;
        match command {
            Command::Sleep(_) => {
                self.awake = None;
                Done::Asleep
            }
            Command::Wake(_) if self.failing > 0 => {
                self.failing -= 1;
                Done::Failed
            }
            Command::Wake(_) => Done::Awake(self.wake()),
        }
    }

    fn wake(&mut self) -> u32 {
        *self.awake.get_or_insert_with(|| {
            self.wakings += 1;
            self.wakings
        })
    }
}

impl World {
    fn new(engine: Engine) -> Arc<Self> {
        let start = Instant::now();
        let wake = wake::Rules { max_held: 8, window: Duration::ZERO, issuer: Issuer::new(1) };
        let idle = idle::Rules { standby_after: Duration::ZERO, silence: Duration::from_secs(1) };
        let core = Core::new(start, wake, idle, Generation::NONE);
        Arc::new(Self {
            start,
            kept: Mutex::new(Kept { core, held: BTreeMap::new() }),
            called: Condvar::new(),
            engine: Mutex::new(engine),
        })
    }

    /// A sandbox that is awake, and known to be.
    fn awake() -> Arc<Self> {
        let world = Self::new(Engine::default());
        world.request(Patience::Wait).unwrap();
        world
    }

    /// Carries out a command and whatever follows from it, as a task of the host's own does.
    fn carry_out(&self, mut command: Option<Command>) {
        while let Some(now) = command {
            let done = self.engine.lock().unwrap().carry_out(now);
            let mut kept = self.kept.lock().unwrap();
            command = match now {
                Command::Sleep(generation) => {
                    let outcome = match done {
                        Done::Overtaken(latest) => Slept::Overtaken(latest),
                        _ => Slept::Asleep,
                    };
                    kept.core.slept(self.start, generation, outcome)
                }
                Command::Wake(generation) => {
                    let result = match done {
                        Done::Awake(agent) => Ok(agent),
                        Done::Overtaken(latest) => Err(NotWoken::Overtaken(latest)),
                        Done::Failed | Done::Asleep => Err(NotWoken::Failed),
                    };
                    match kept.core.woke(self.start, generation, result) {
                        Called::Again(next) => Some(next),
                        Called::Ignored => None,
                        Called::Released(passes) => {
                            for (ticket, pass) in passes {
                                self.call(&mut kept, ticket, Call::Go(pass));
                            }
                            None
                        }
                        Called::Failed(tickets) => {
                            for ticket in tickets {
                                self.call(&mut kept, ticket, Call::Failed);
                            }
                            None
                        }
                    }
                }
            };
            self.called.notify_all();
        }
    }

    fn call(&self, kept: &mut Kept, ticket: Ticket, call: Call) {
        match (kept.held.get_mut(&ticket), call) {
            (Some(place), call) => *place = Some(call),
            (None, Call::Go(pass)) => kept.core.close(pass.open, self.start),
            (None, Call::Failed) => {}
        }
    }

    /// A request, from its arrival to its end: who serves it, where it was served.
    fn request(&self, patience: Patience) -> Option<u32> {
        let (ticket, command) = {
            let mut kept = self.kept.lock().unwrap();
            match kept.core.arrive(self.start, patience) {
                (Entry::Forward(pass), command) => {
                    drop(kept);
                    assert_eq!(command, None);
                    return Some(self.serve(&pass));
                }
                (Entry::Held(ticket), command) => {
                    kept.held.insert(ticket, None);
                    (Some(ticket), command)
                }
                (Entry::Refused { .. } | Entry::Full | Entry::Gone, command) => (None, command),
            }
        };
        self.carry_out(command);
        match self.wait_for_call(ticket?) {
            Call::Go(pass) => Some(self.serve(&pass)),
            Call::Failed => None,
        }
    }

    fn wait_for_call(&self, ticket: Ticket) -> Call {
        let mut kept = self.kept.lock().unwrap();
        loop {
            if let Some(Some(_)) = kept.held.get(&ticket) {
                return kept.held.remove(&ticket).flatten().unwrap();
            }
            kept = self.called.wait(kept).unwrap();
        }
    }

    fn serve(&self, pass: &Pass<u32>) -> u32 {
        // Here it is with the agent.
        {
            let engine = self.engine.lock().unwrap();
            let is_as_told = engine.others || engine.awake == Some(pass.agent);
            assert!(is_as_told, "a request is with an agent that sleeps");
        }
        self.kept.lock().unwrap().core.close(pass.open, self.start);
        pass.agent
    }

    /// A request that leaves before it is called, if it has to wait.
    fn impatient_request(&self) {
        let mut kept = self.kept.lock().unwrap();
        let (entry, command) = kept.core.arrive(self.start, Patience::Wait);
        match entry {
            Entry::Forward(pass) => kept.core.close(pass.open, self.start),
            Entry::Held(ticket) => {
                kept.held.insert(ticket, None);
                drop(kept);
                let mut kept = self.kept.lock().unwrap();
                kept.core.abandon(ticket);
                // A call that has come is a lease, which ends.
                if let Some(Some(Call::Go(pass))) = kept.held.remove(&ticket) {
                    kept.core.close(pass.open, self.start);
                }
            }
            Entry::Refused { .. } | Entry::Full | Entry::Gone => {}
        }
        self.carry_out(command);
    }

    /// Somebody who wants it asleep.
    fn sleep_now(&self) {
        let command = self.kept.lock().unwrap().core.sleep_now(self.start, Streams::Freeze);
        self.carry_out(command.unwrap_or_default());
    }

    /// The host's own look, which asks the agent between two others.
    fn idle(&self) {
        let waking = self.kept.lock().unwrap().core.agent().map(|(_, waking)| waking);
        let Some(waking) = waking else { return };
        thread::yield_now();
        let command = self.kept.lock().unwrap().core.sleep_if_due(self.start, waking);
        self.carry_out(command);
    }

    /// Somebody else commands the engine, and the host hears of it.
    fn others(&self, doing: Doing) {
        let (generation, news) = {
            let mut engine = self.engine.lock().unwrap();
            engine.accepted = engine.accepted.next(Issuer::new(2));
            engine.others = true;
            let news = match doing {
                Doing::Sleep => {
                    engine.awake = None;
                    News::Resting
                }
                Doing::Wake => News::Awake(engine.wake()),
            };
            (engine.accepted, news)
        };
        self.kept.lock().unwrap().core.hear(self.start, generation, news);
    }

    /// What holds when nobody does anything any more.
    fn at_rest(&self) {
        let (engine, kept) = (self.engine.lock().unwrap(), self.kept.lock().unwrap());
        assert!(kept.held.is_empty(), "somebody waits");
        assert!(kept.core.due().is_some(), "something is open");
        match kept.core.phase() {
            Phase::Awake => assert_eq!(kept.core.agent().map(|(agent, _)| *agent), engine.awake),
            Phase::Resting => assert_eq!(engine.awake, None, "nobody would put it to sleep"),
            Phase::Unsure(_) => {}
            phase => panic!("{phase:?} without a command"),
        }
    }
}

#[derive(Clone, Copy)]
enum Doing {
    Sleep,
    Wake,
}

/// Tries every way in which these can meet.
fn meet(world: fn() -> Arc<World>, threads: &'static [fn(&World)], at_rest: fn(&World)) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(CUTS);
    builder.check(move || {
        let world = world();
        let running: Vec<_> = threads
            .iter()
            .map(|thread| {
                let world = Arc::clone(&world);
                thread::spawn(move || thread(&world))
            })
            .collect();
        for thread in running {
            thread.join().unwrap();
        }
        world.at_rest();
        at_rest(&world);
    });
}

fn asks(world: &World) {
    assert!(world.request(Patience::Wait).is_some(), "a request is answered");
}

#[test]
fn requests_that_meet_a_sleeper_are_answered_and_wake_once_more_at_the_most() {
    meet(World::awake, &[asks, asks, World::sleep_now], |world| {
        assert!(world.engine.lock().unwrap().wakings <= 2);
    });
}

#[test]
fn requests_to_one_that_sleeps_share_one_waking() {
    meet(
        || World::new(Engine::default()),
        &[asks, asks, asks],
        |world| {
            assert_eq!(world.engine.lock().unwrap().wakings, 1);
        },
    );
}

#[test]
fn several_sleepers_and_a_request_meet() {
    meet(World::awake, &[asks, World::sleep_now, World::idle], |_| {});
}

#[test]
fn who_leaves_takes_nobody_along() {
    meet(World::awake, &[asks, World::impatient_request, World::sleep_now], |_| {});
}

#[test]
fn a_waking_that_fails_is_told_to_all_who_waited_for_it_and_to_nobody_later() {
    let failing = || World::new(Engine { failing: 1, ..Engine::default() });
    meet(failing, &[may_fail, may_fail], |world| {
        assert!(world.request(Patience::Wait).is_some(), "the next one begins anew");
    });
}

#[test]
fn sleepers_and_wakers_from_outside_strand_nobody() {
    meet(World::awake, &[asks, sleeps_elsewhere, wakes_elsewhere], |_| {});
    meet(World::awake, &[asks, World::sleep_now, sleeps_elsewhere], |_| {});
    meet(World::awake, &[asks, World::idle, wakes_elsewhere], |_| {});
}

fn may_fail(world: &World) {
    world.request(Patience::Wait);
}

fn sleeps_elsewhere(world: &World) {
    world.others(Doing::Sleep);
}

fn wakes_elsewhere(world: &World) {
    world.others(Doing::Wake);
}
