//! One sandbox, its calls and its network on virtual time: every event in order, nothing waits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use reveille_retry::{
    AfterRefusal, Fault, FaultKind, Head, Order, Readiness, ReadinessPolicy, Replay, RetryPolicy, Session,
    StopReason, Tick, Ticket, Verdict, Woken, Word,
};

/// The moment that is so many milliseconds after the start.
pub(crate) fn at(millis: u64) -> Tick {
    Tick::ZERO.after(Duration::from_millis(millis))
}

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// While one of these lasts, everything is refused: from, to.
    pub(crate) windows: Vec<(Tick, Tick)>,
    /// The app itself answers 503 until then.
    pub(crate) app_starts: Tick,
    /// What health is to a probe.
    pub(crate) health: Health,
    /// Refusals are resets, and no statuses.
    pub(crate) refuses_by: Refuses,
    /// From one end to the other.
    pub(crate) latency: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers when the sandbox is awake.
    True,
    /// It answers 401.
    Forbidden,
    /// It never answers anything.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refuses {
    Status,
    StatusAfter(u64),
    Reset,
}

impl Server {
    /// Asleep from the start, for so long.
    pub(crate) fn resuming(window: Duration) -> Self {
        Self {
            windows: vec![(Tick::ZERO, Tick::ZERO.after(window))],
            app_starts: Tick::ZERO,
            health: Health::True,
            refuses_by: Refuses::Status,
            latency: Duration::from_micros(500),
        }
    }

    pub(crate) fn is_awake(&self, now: Tick) -> bool {
        !self.windows.iter().any(|(from, to)| *from <= now && now < *to)
    }
}

/// One call, before it is made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) arrives: Tick,
    pub(crate) replay: Replay,
    pub(crate) policy: RetryPolicy,
    pub(crate) seed: u64,
    /// Its caller goes away then.
    pub(crate) leaves: Option<Tick>,
}

impl Plan {
    pub(crate) fn read(seed: u64) -> Self {
        Self { arrives: Tick::ZERO, replay: Replay::Read, policy: RetryPolicy::new(), seed, leaves: None }
    }

    pub(crate) fn mutation(seed: u64) -> Self {
        Self { replay: Replay::Never, ..Self::read(seed) }
    }
}

/// One call, after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) sends: Vec<Tick>,
    pub(crate) end: End,
    pub(crate) ended: Tick,
    pub(crate) history: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Stopped(StopReason),
    Left,
    /// The world ended first: a wake-up was lost.
    Open,
}

/// What happened in all.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) stories: Vec<Story>,
    /// From when to when each probe was under way, and whether it was heard to say that the sandbox is ready.
    pub(crate) probes: Vec<Probe>,
    /// What arrived while the sandbox was not awake.
    pub(crate) refused: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) began: Tick,
    pub(crate) ended: Tick,
    pub(crate) was_answered: bool,
}

impl Record {
    pub(crate) fn requests(&self) -> usize {
        self.probes.len() + self.stories.iter().map(|story| story.sends.len()).sum::<usize>()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Leave(usize),
    /// A message that this call sent comes back: to its attempt of that number.
    Back(usize, usize, Reply),
    /// What the probe of this number brought to its call.
    Probed(usize, usize, Reply),
    /// A call looks around; the number tells old timers from new ones.
    Turn(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reply {
    Ok,
    Unavailable(Option<u64>),
    Reset,
    Forbidden,
}

struct Caller {
    plan: Plan,
    session: Session,
    ticket: Option<Ticket>,
    waits_since: Option<Tick>,
    turn: usize,
    story: Story,
}

/// A world that runs until nothing is left to happen.
pub(crate) struct World {
    server: Server,
    readiness: Option<Readiness>,
    callers: Vec<Caller>,
    events: BinaryHeap<Reverse<(Tick, u64, Event)>>,
    count: u64,
    now: Tick,
    probe_of: Vec<(usize, bool)>,
    record: Record,
}

/// Makes the calls, with readiness as the policy says, or without.
pub(crate) fn play(server: &Server, plans: &[Plan], policy: Option<ReadinessPolicy>) -> Record {
    let callers = plans.iter().map(|plan| Caller {
        plan: plan.clone(),
        session: Session::new(&plan.policy, plan.replay, plan.seed),
        ticket: None,
        waits_since: None,
        turn: 0,
        story: Story { sends: vec![], end: End::Open, ended: Tick::ZERO, history: String::new() },
    });
    let mut world = World {
        server: server.clone(),
        readiness: policy.map(Readiness::new),
        callers: callers.collect(),
        events: BinaryHeap::new(),
        count: 0,
        now: Tick::ZERO,
        probe_of: vec![],
        record: Record { stories: vec![], probes: vec![], refused: 0 },
    };
    for (caller, plan) in plans.iter().enumerate() {
        world.put(plan.arrives, Event::Turn(caller, 0));
        if let Some(leaves) = plan.leaves {
            world.put(leaves.max(plan.arrives), Event::Leave(caller));
        }
    }
    world.run()
}

impl World {
    fn run(mut self) -> Record {
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            self.now = now;
            match event {
                Event::Leave(caller) => self.end(caller, End::Left),
                Event::Turn(caller, turn) if self.callers[caller].turn == turn => self.turn(caller),
                Event::Turn(..) => {}
                Event::Back(caller, send, reply) => self.back(caller, send, reply),
                Event::Probed(caller, probe, reply) => self.probed(caller, probe, reply),
            }
            self.wake();
        }
        self.record.stories = self.callers.into_iter().map(|caller| caller.story).collect();
        self.record
    }

    fn put(&mut self, when: Tick, event: Event) {
        self.count += 1;
        self.events.push(Reverse((when, self.count, event)));
    }

    /// Gives a call its turn later, in place of any turn that it had.
    fn turn_at(&mut self, caller: usize, when: Tick) {
        self.callers[caller].turn += 1;
        self.put(when, Event::Turn(caller, self.callers[caller].turn));
    }

    fn is_open(&self, caller: usize) -> bool {
        self.callers[caller].story.end == End::Open
    }

    fn turn(&mut self, at: usize) {
        if !self.is_open(at) {
            return;
        }
        let Some(readiness) = &mut self.readiness else { return self.send(at) };
        let caller = &mut self.callers[at];
        if caller.plan.policy.retries() == 0 {
            return self.send(at);
        }
        let ticket = match &mut caller.ticket {
            Some(ticket) => ticket,
            empty => {
                caller.waits_since = Some(self.now);
                empty.insert(readiness.arrive(caller.plan.replay, caller.session.last_send(self.now)))
            }
        };
        match readiness.poll(self.now, ticket) {
            Order::Go => {
                self.drop_probe_of(at);
                if let Some(since) = self.callers[at].waits_since.take() {
                    self.callers[at].session.waited(since, self.now);
                }
                self.send(at);
            }
            Order::Wait { until } => self.turn_at(at, until),
            Order::Probe { until } => {
                self.turn_at(at, until);
                self.probe(at);
            }
            Order::GiveUp => {
                if let Some(since) = self.callers[at].waits_since.take() {
                    self.callers[at].session.waited(since, self.now);
                }
                self.end(at, End::Stopped(StopReason::NoWord));
            }
        }
    }

    fn send(&mut self, at: usize) {
        let caller = &mut self.callers[at];
        if let Err(stop) = caller.session.begin(self.now) {
            return self.end(at, End::Stopped(stop));
        }
        caller.story.sends.push(self.now);
        caller.turn += 1;
        let send = caller.story.sends.len();
        let arrives = self.now.after(self.server.latency);
        let reply = self.reply(arrives, |server| arrives >= server.app_starts);
        if let Some(reply) = reply {
            self.put(arrives.after(self.server.latency), Event::Back(at, send, reply));
        }
    }

    fn probe(&mut self, at: usize) {
        let probe = self.record.probes.len();
        self.probe_of.push((at, true));
        self.record.probes.push(Probe { began: self.now, ended: self.now, was_answered: false });
        let arrives = self.now.after(self.server.latency);
        let reply = match self.server.health {
            Health::Silent => None,
            Health::Forbidden => Some(Reply::Forbidden),
            Health::True => self.reply(arrives, |_| true),
        };
        let back = arrives.after(self.server.latency);
        self.record.probes[probe].ended = if reply.is_some() { back } else { Tick::MAX };
        if let Some(reply) = reply {
            self.put(back, Event::Probed(at, probe, reply));
        }
    }

    fn reply(&mut self, arrives: Tick, answers: impl Fn(&Server) -> bool) -> Option<Reply> {
        if self.server.is_awake(arrives) {
            return Some(if answers(&self.server) { Reply::Ok } else { Reply::Unavailable(None) });
        }
        self.record.refused += 1;
        Some(match self.server.refuses_by {
            Refuses::Status => Reply::Unavailable(None),
            Refuses::StatusAfter(seconds) => Reply::Unavailable(Some(seconds)),
            Refuses::Reset => Reply::Reset,
        })
    }

    fn drop_probe_of(&mut self, caller: usize) {
        for (probe, (by, is_open)) in self.probe_of.iter_mut().enumerate() {
            if *by == caller && std::mem::take(is_open) {
                let ended = &mut self.record.probes[probe].ended;
                *ended = self.now.min(*ended);
            }
        }
    }

    fn probed(&mut self, at: usize, probe: usize, reply: Reply) {
        if !std::mem::take(&mut self.probe_of[probe].1) || !self.is_open(at) {
            return;
        }
        self.record.probes[probe].was_answered = reply == Reply::Ok;
        let word = match reply {
            Reply::Ok => Word::Ready,
            Reply::Forbidden => Word::Neither,
            Reply::Unavailable(asked) => Word::Asleep(asked.map(Duration::from_secs)),
            Reply::Reset => Word::Asleep(None),
        };
        let caller = &self.callers[at];
        if let (Some(readiness), Some(ticket)) = (&mut self.readiness, &caller.ticket) {
            readiness.probed(self.now, ticket, word);
        }
        self.turn_at(at, self.now);
    }

    fn back(&mut self, at: usize, send: usize, reply: Reply) {
        if !self.is_open(at) || self.callers[at].story.sends.len() != send {
            return;
        }
        let now = self.now;
        let caller = &mut self.callers[at];
        let (verdict, asked) = match reply {
            Reply::Reset => (caller.session.on_fault(now, Fault::unknown(FaultKind::Reset)), None),
            Reply::Unavailable(seconds) => {
                let headers: HeaderMap =
                    seconds.map(|s| (RETRY_AFTER, HeaderValue::from(s))).into_iter().collect();
                let head = Head::new(StatusCode::SERVICE_UNAVAILABLE, &headers);
                (caller.session.on_head(now, &head), seconds.map(Duration::from_secs))
            }
            Reply::Ok | Reply::Forbidden => {
                (caller.session.on_head(now, &Head::new(StatusCode::OK, &HeaderMap::new())), None)
            }
        };
        let after = match (&mut self.readiness, &mut caller.ticket) {
            (Some(readiness), Some(ticket)) if verdict == Verdict::Deliver => {
                readiness.answered(now, ticket);
                AfterRefusal::OwnSchedule
            }
            (Some(readiness), Some(ticket)) => readiness.refused(now, ticket, asked),
            _ => AfterRefusal::OwnSchedule,
        };
        match (verdict, after) {
            (Verdict::Retry { .. }, AfterRefusal::WaitForWord) => {
                let until = caller.session.last_send(now);
                caller.waits_since = Some(now);
                if let (Some(readiness), Some(ticket)) = (&self.readiness, &mut caller.ticket) {
                    readiness.wait(ticket, until);
                }
                self.turn(at);
            }
            (Verdict::Retry { wait, .. }, AfterRefusal::OwnSchedule) => self.turn_at(at, now.after(wait)),
            (Verdict::Deliver, _) => self.end(at, End::Delivered),
            (Verdict::Stop(stop), _) => self.end(at, End::Stopped(stop)),
            (other, _) => panic!("a verdict that no driver knows: {other:?}"),
        }
    }

    fn end(&mut self, at: usize, end: End) {
        if !self.is_open(at) {
            return;
        }
        self.drop_probe_of(at);
        let caller = &mut self.callers[at];
        if let (Some(readiness), Some(ticket)) = (&mut self.readiness, &mut caller.ticket) {
            readiness.leave(ticket);
        }
        caller.story.end = end;
        caller.story.ended = self.now;
        caller.story.history = caller.session.history().to_string();
    }

    fn wake(&mut self) {
        let Some(readiness) = &mut self.readiness else { return };
        let woken = readiness.woken();
        let waiting = |caller: &Caller| caller.waits_since.is_some() && caller.story.end == End::Open;
        let names = |caller: &Caller| match woken {
            Woken::Nobody => false,
            Woken::One(id) => caller.ticket.as_ref().is_some_and(|ticket| ticket.id() == id),
            Woken::All => true,
        };
        let woken: Vec<usize> = (0..self.callers.len())
            .filter(|at| waiting(&self.callers[*at]) && names(&self.callers[*at]))
            .collect();
        for caller in woken {
            self.turn_at(caller, self.now);
        }
    }
}
