use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::engine::{Generation, Issuer};
use crate::observer;

/// How often in a row a waking may be overtaken by somebody else before those who wait are told.
const MAX_ROUNDS: u32 = 5;

/// What is known of whether one sandbox is awake, and who waits for it.
///
/// At most one command is waited for at a time: the owner carries it out and tells the outcome by
/// [`Machine::woke`] or [`Machine::slept`]. Every command has a generation of its own, and the outcome of one
/// that is not waited for any more changes nothing. `A` is how an agent is reached; it is good for one waking.
#[derive(Debug)]
pub(crate) struct Machine<A> {
    state: State<A>,
    held: BTreeSet<Ticket>,
    tickets: u64,
    wakings: u64,
    /// The latest that is known of.
    generation: Generation,
    rules: Rules,
}

/// What the machine is bound by.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// How many requests may wait.
    pub(crate) max_held: usize,
    /// How long waking takes at least.
    pub(crate) window: Duration,
    /// Who takes the generations of its commands.
    pub(crate) issuer: Issuer,
}

#[derive(Debug)]
enum State<A> {
    /// Asleep or ended: whoever wants it awake has to ask the engine.
    Resting,
    /// It may be awake or not. Whoever wants it awake has to ask the engine, and so has whoever wants it asleep.
    Unsure(Doubt),
    /// A wake command is out.
    Waking { out: Generation, since: Instant, overtaken: bool, rounds: u32 },
    /// Its agent can be reached.
    Awake { agent: A, waking: WakingId },
    /// A sleep command is out. It cannot be called back, so who arrives now waits for it and then wakes it.
    Settling { out: Generation, wanted: bool },
    /// It is being deleted.
    Gone,
}

/// Why it is not known whether a sandbox is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// A command did not end, and may still have its effect: only a later one settles that.
    Command,
    /// Its agent was not there, or news were missed: the engine can say.
    News,
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
    Wake(Generation),
    Sleep(Generation),
}

/// How a wake command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWoken {
    /// The engine could not do it.
    Failed,
    /// It was not waited for any longer, or the engine did not say.
    Unknown,
    /// Somebody else's command came first; this is the latest generation now.
    Overtaken(Generation),
}

/// What the end of a wake command means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woke<A> {
    /// These may go on.
    Released { tickets: Vec<Ticket>, agent: A, waking: WakingId },
    /// These have waited in vain.
    Failed(Vec<Ticket>),
    /// Somebody else changed it meanwhile: carry this out.
    Again(Command),
    /// Nobody wants to know any more.
    Ignored,
}

/// How a sleep command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slept<A> {
    Asleep,
    /// It failed, and the sandbox is still awake.
    StillAwake(A),
    /// It was not waited for any longer, or the engine did not say.
    Unknown,
    /// Somebody else's command came first; this is the latest generation now.
    Overtaken(Generation),
}

/// What somebody else made of a sandbox, or it of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News<A> {
    Awake(A),
    /// It sleeps, has ended, or is not there.
    Resting,
}

/// The state by name, for those who wait for it to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Resting,
    Unsure(Doubt),
    Waking,
    Awake,
    Settling,
    Gone,
}

impl From<Phase> for observer::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Resting => Self::Asleep,
            Phase::Unsure(_) => Self::Unknown,
            Phase::Waking => Self::Waking,
            Phase::Awake => Self::Awake,
            Phase::Settling => Self::Settling,
            Phase::Gone => Self::Gone,
        }
    }
}

impl<A: Clone> Machine<A> {
    /// One of a sandbox that nothing is known of, whose next command comes after `generation`.
    pub(crate) fn new(rules: Rules, generation: Generation) -> Self {
        let state = State::Unsure(Doubt::News);
        Self { state, held: BTreeSet::new(), tickets: 0, wakings: 0, generation, rules }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::Resting => Phase::Resting,
            State::Unsure(doubt) => Phase::Unsure(doubt),
            State::Waking { .. } => Phase::Waking,
            State::Awake { .. } => Phase::Awake,
            State::Settling { .. } => Phase::Settling,
            State::Gone => Phase::Gone,
        }
    }

    /// The latest generation that is known of.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
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
            State::Resting | State::Unsure(_) => Some(self.start_waking(now)),
            State::Settling { wanted, .. } => {
                *wanted = true;
                None
            }
            State::Waking { .. } | State::Awake { .. } | State::Gone => None,
        }
    }

    /// One who waited has given up.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.held.remove(&ticket);
    }

    /// The wake command of a generation has ended.
    pub(crate) fn woke(&mut self, generation: Generation, result: Result<A, NotWoken>) -> Woke<A> {
        let State::Waking { out, overtaken, rounds, .. } = &mut self.state else { return Woke::Ignored };
        if *out != generation {
            return Woke::Ignored;
        }
        match result {
            Ok(agent) if !*overtaken => {
                let waking = self.be_awake(agent.clone());
                return Woke::Released { tickets: self.take_held(), agent, waking };
            }
            Ok(_) | Err(NotWoken::Overtaken(_)) => {}
            Err(NotWoken::Failed) => return self.fail(State::Resting),
            Err(NotWoken::Unknown) => return self.fail(State::Unsure(Doubt::Command)),
        }
        *overtaken = false;
        *rounds += 1;
        let may_go_on = *rounds < MAX_ROUNDS;
        if let Err(NotWoken::Overtaken(latest)) = result {
            self.learn(latest);
        }
        if may_go_on { Woke::Again(self.wake_again()) } else { self.fail(State::Unsure(Doubt::News)) }
    }

    /// It shall sleep. Nothing happens unless it is awake, or may be.
    pub(crate) fn sleep(&mut self) -> Option<Command> {
        if !matches!(self.state, State::Awake { .. } | State::Unsure(_)) {
            return None;
        }
        let out = self.next_generation();
        self.state = State::Settling { out, wanted: false };
        Some(Command::Sleep(out))
    }

    /// The sleep command of a generation has ended.
    pub(crate) fn slept(
        &mut self,
        now: Instant,
        generation: Generation,
        outcome: Slept<A>,
    ) -> Option<Command> {
        let State::Settling { out, wanted } = self.state else { return None };
        if out != generation {
            return None;
        }
        // Somebody else may have commanded it after this command.
        let is_latest = self.generation == out;
        match outcome {
            Slept::Asleep if is_latest => self.state = State::Resting,
            Slept::Asleep => self.state = State::Unsure(Doubt::News),
            Slept::StillAwake(agent) => drop(self.be_awake(agent)),
            Slept::Unknown => self.state = State::Unsure(Doubt::Command),
            Slept::Overtaken(latest) => {
                self.learn(latest);
                self.state = State::Unsure(Doubt::News);
            }
        }
        (wanted || !self.held.is_empty()).then(|| self.start_waking(now))
    }

    /// Somebody else changed the sandbox, or it ended by itself. What was true before the last command is no
    /// news; where a command is out, its outcome will tell, unless the news are later than the command.
    pub(crate) fn hear(&mut self, generation: Generation, news: News<A>) {
        if generation < self.generation {
            return;
        }
        self.learn(generation);
        match (&mut self.state, news) {
            (State::Awake { .. } | State::Resting | State::Unsure(Doubt::News), News::Awake(agent)) => {
                self.be_awake(agent);
            }
            (State::Awake { .. } | State::Unsure(Doubt::News), News::Resting) => self.state = State::Resting,
            (State::Waking { overtaken, .. }, _) => *overtaken = true,
            (State::Resting, News::Resting)
            | (State::Unsure(Doubt::Command) | State::Settling { .. } | State::Gone, _) => {}
        }
    }

    /// News were missed: what is known may not hold any more.
    pub(crate) fn doubt(&mut self) {
        match &mut self.state {
            State::Awake { .. } | State::Resting => self.state = State::Unsure(Doubt::News),
            State::Waking { overtaken, .. } => *overtaken = true,
            State::Unsure(_) | State::Settling { .. } | State::Gone => {}
        }
    }

    /// The agent of a waking cannot be reached. What was learnt since then stays.
    pub(crate) fn lost(&mut self, lost: WakingId) {
        if self.agent().is_some_and(|(_, waking)| waking == lost) {
            self.state = State::Unsure(Doubt::News);
        }
    }

    /// It is being deleted; those who wait are told. With the generation of the delete.
    pub(crate) fn remove(&mut self) -> (Vec<Ticket>, Generation) {
        self.state = State::Gone;
        (self.take_held(), self.next_generation())
    }

    /// The delete was overtaken by a command of this generation; the next try has the one that is returned.
    pub(crate) fn remove_again(&mut self, latest: Generation) -> Generation {
        self.learn(latest);
        self.next_generation()
    }

    /// It could not be deleted.
    pub(crate) fn restore(&mut self) {
        if matches!(self.state, State::Gone) {
            self.state = State::Unsure(Doubt::Command);
        }
    }

    fn start_waking(&mut self, now: Instant) -> Command {
        let out = self.next_generation();
        self.state = State::Waking { out, since: now, overtaken: false, rounds: 0 };
        Command::Wake(out)
    }

    /// The same waking with a later command.
    fn wake_again(&mut self) -> Command {
        let next = self.next_generation();
        if let State::Waking { out, .. } = &mut self.state {
            *out = next;
        }
        Command::Wake(next)
    }

    fn next_generation(&mut self) -> Generation {
        self.generation = self.generation.next(self.rules.issuer);
        self.generation
    }

    fn learn(&mut self, generation: Generation) {
        self.generation = self.generation.max(generation);
    }

    fn be_awake(&mut self, agent: A) -> WakingId {
        self.wakings += 1;
        let waking = WakingId(self.wakings);
        self.state = State::Awake { agent, waking };
        waking
    }

    fn fail(&mut self, after: State<A>) -> Woke<A> {
        self.state = after;
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
