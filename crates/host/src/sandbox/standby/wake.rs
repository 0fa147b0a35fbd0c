use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::observer;

/// How often in a row a waking may be overtaken by somebody else before those who wait are told.
const MAX_ROUNDS: u32 = 5;

/// What is known of whether one sandbox is awake, and who waits for it.
///
/// At most one command is out at a time: the owner carries it out and tells the outcome by [`Machine::woke`]
/// or [`Machine::slept`]. `A` is how an agent is reached; it is good for one waking.
#[derive(Debug)]
pub(crate) struct Machine<A> {
    state: State<A>,
    held: BTreeSet<Ticket>,
    tickets: u64,
    wakings: u64,
    rules: Rules,
}

/// What the machine is bound by.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// How many requests may wait.
    pub(crate) max_held: usize,
    /// How long waking takes at least.
    pub(crate) window: Duration,
}

#[derive(Debug)]
enum State<A> {
    /// Asleep, ended, or not known: whoever wants it awake has to ask the engine.
    Resting,
    /// A wake command is out.
    Waking { since: Instant, overtaken: bool, rounds: u32 },
    /// Its agent can be reached.
    Awake { agent: A, waking: WakingId },
    /// A sleep command is out. It cannot be called back, so who arrives now waits for it and then wakes it.
    Settling { wanted: bool },
    /// It is being deleted.
    Gone,
}

/// A request's place among those who wait. Earlier ones are smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// One waking of a sandbox: from its agent being reachable until it sleeps or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WakingId(u64);

/// What somebody who arrives does while the sandbox is not awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    Leave,
}

/// What becomes of somebody who arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<A> {
    /// It is awake.
    Forward(A, WakingId),
    /// Wait for the ticket to be called.
    Held(Ticket),
    /// Not awake yet; the window has at least so long to go.
    Refused { left: Duration },
    /// Too many wait already.
    Full,
    /// It is being deleted.
    Gone,
}

/// What the owner has to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Wake,
    Sleep,
}

/// What the end of a wake command means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woke<A> {
    /// These may go on.
    Released { tickets: Vec<Ticket>, agent: A, waking: WakingId },
    /// These have waited in vain.
    Failed(Vec<Ticket>),
    /// Somebody else changed it meanwhile: carry out the wake command again.
    Again,
    /// Nobody wants to know any more.
    Ignored,
}

/// How a sleep command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slept<A> {
    Asleep,
    /// It failed, and the sandbox is still awake.
    StillAwake(A),
    /// It failed, and nothing is known.
    Unknown,
}

/// The state by name, for those who wait for it to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Resting,
    Waking,
    Awake,
    Settling,
    Gone,
}

impl From<Phase> for observer::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Resting => Self::Asleep,
            Phase::Waking => Self::Waking,
            Phase::Awake => Self::Awake,
            Phase::Settling => Self::Settling,
            Phase::Gone => Self::Gone,
        }
    }
}

impl<A: Clone> Machine<A> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { state: State::Resting, held: BTreeSet::new(), tickets: 0, wakings: 0, rules }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::Resting => Phase::Resting,
            State::Waking { .. } => Phase::Waking,
            State::Awake { .. } => Phase::Awake,
            State::Settling { .. } => Phase::Settling,
            State::Gone => Phase::Gone,
        }
    }

    /// How its agent is reached, while it is awake.
    pub(crate) fn agent(&self) -> Option<(&A, WakingId)> {
        match &self.state {
            State::Awake { agent, waking } => Some((agent, *waking)),
            _ => None,
        }
    }

    /// A request arrives.
    pub(crate) fn arrive(&mut self, now: Instant, patience: Patience) -> (Admission<A>, Option<Command>) {
        let command = self.demand(now);
        let admission = match &self.state {
            State::Awake { agent, waking } => Admission::Forward(agent.clone(), *waking),
            State::Gone => Admission::Gone,
            _ if patience == Patience::Leave => Admission::Refused { left: self.left(now) },
            _ if self.held.len() >= self.rules.max_held => Admission::Full,
            _ => Admission::Held(self.hold()),
        };
        (admission, command)
    }

    /// Somebody wants it awake and does not wait for it.
    pub(crate) fn demand(&mut self, now: Instant) -> Option<Command> {
        match &mut self.state {
            State::Resting => Some(self.start_waking(now)),
            State::Settling { wanted } => {
                *wanted = true;
                None
            }
            _ => None,
        }
    }

    /// One who waited has given up.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.held.remove(&ticket);
    }

    /// The wake command has ended.
    pub(crate) fn woke(&mut self, result: Result<A, ()>) -> Woke<A> {
        let State::Waking { overtaken, rounds, .. } = &mut self.state else { return Woke::Ignored };
        let Ok(agent) = result else { return self.fail() };
        if *overtaken {
            *overtaken = false;
            *rounds += 1;
            return if *rounds < MAX_ROUNDS { Woke::Again } else { self.fail() };
        }
        let waking = self.be_awake(agent.clone());
        Woke::Released { tickets: self.take_held(), agent, waking }
    }

    /// It shall sleep. Nothing happens unless it is awake.
    pub(crate) fn sleep(&mut self) -> Option<Command> {
        if !matches!(self.state, State::Awake { .. }) {
            return None;
        }
        self.state = State::Settling { wanted: false };
        Some(Command::Sleep)
    }

    /// The sleep command has ended.
    pub(crate) fn slept(&mut self, now: Instant, outcome: Slept<A>) -> Option<Command> {
        let State::Settling { wanted } = self.state else { return None };
        if wanted || !self.held.is_empty() {
            return Some(self.start_waking(now));
        }
        self.state = State::Resting;
        if let Slept::StillAwake(agent) = outcome {
            self.be_awake(agent);
        }
        None
    }

    /// Somebody else changed the sandbox: what was known of it may not hold any more.
    pub(crate) fn overtaken(&mut self) {
        match &mut self.state {
            State::Awake { .. } => self.state = State::Resting,
            State::Waking { overtaken, .. } => *overtaken = true,
            State::Resting | State::Settling { .. } | State::Gone => {}
        }
    }

    /// The engine says that it is awake. Where a command is out, its outcome will tell.
    pub(crate) fn found(&mut self, agent: A) {
        if matches!(self.state, State::Resting) {
            self.be_awake(agent);
        }
    }

    /// The agent of a waking cannot be reached. What was learnt since then stays.
    pub(crate) fn lost(&mut self, lost: WakingId) {
        if self.agent().is_some_and(|(_, waking)| waking == lost) {
            self.state = State::Resting;
        }
    }

    /// It is being deleted; those who wait are told.
    pub(crate) fn remove(&mut self) -> Vec<Ticket> {
        self.state = State::Gone;
        self.take_held()
    }

    /// It could not be deleted.
    pub(crate) fn restore(&mut self) {
        if matches!(self.state, State::Gone) {
            self.state = State::Resting;
        }
    }

    fn start_waking(&mut self, now: Instant) -> Command {
        self.state = State::Waking { since: now, overtaken: false, rounds: 0 };
        Command::Wake
    }

    fn be_awake(&mut self, agent: A) -> WakingId {
        self.wakings += 1;
        let waking = WakingId(self.wakings);
        self.state = State::Awake { agent, waking };
        waking
    }

    fn fail(&mut self) -> Woke<A> {
        self.state = State::Resting;
        Woke::Failed(self.take_held())
    }

    fn hold(&mut self) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.held.insert(ticket);
        ticket
    }

    fn take_held(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.held).into_iter().collect()
    }

    fn left(&self, now: Instant) -> Duration {
        match self.state {
            State::Waking { since, .. } => {
                self.rules.window.saturating_sub(now.saturating_duration_since(since))
            }
            _ => self.rules.window,
        }
    }
}

#[cfg(test)]
mod tests;
