use std::time::Instant;

use super::idle::{self, Ledger, OpenId};
use super::wake::{self, Admission, Command, Machine, Patience, Phase, Slept, Ticket, WakingId, Woke};

/// All that decides over one sandbox's standby: who may go to its agent, and when it may sleep.
///
/// A request that may go is entered as open in the same step, so that nothing can put the sandbox to sleep
/// between the two.
#[derive(Debug)]
pub(crate) struct Core<A> {
    wake: Machine<A>,
    idle: Ledger,
}

/// What becomes of a request that arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<A> {
    Forward(Pass<A>),
    /// Anything that the machine says but [`Admission::Forward`].
    Held(Ticket),
    Refused {
        left: std::time::Duration,
    },
    Full,
    Gone,
}

/// Leave to go to the agent of one waking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass<A> {
    pub(crate) agent: A,
    pub(crate) waking: WakingId,
    pub(crate) open: OpenId,
}

/// What the end of a wake command means for those who waited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Called<A> {
    Released(Vec<(Ticket, Pass<A>)>),
    Failed(Vec<Ticket>),
    Again,
    Ignored,
}

impl<A: Clone> Core<A> {
    pub(crate) fn new(now: Instant, wake: wake::Rules, idle: idle::Rules) -> Self {
        Self { wake: Machine::new(wake), idle: Ledger::new(now, idle) }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.wake.phase()
    }

    pub(crate) fn agent(&self) -> Option<(&A, WakingId)> {
        self.wake.agent()
    }

    /// A request arrives.
    pub(crate) fn arrive(&mut self, now: Instant, patience: Patience) -> (Entry<A>, Option<Command>) {
        let (admission, command) = self.wake.arrive(now, patience);
        let entry = match admission {
            Admission::Forward(agent, waking) => {
                Entry::Forward(Pass { agent, waking, open: self.idle.open(now) })
            }
            Admission::Held(ticket) => Entry::Held(ticket),
            Admission::Refused { left } => Entry::Refused { left },
            Admission::Full => Entry::Full,
            Admission::Gone => Entry::Gone,
        };
        (entry, command)
    }

    /// One who waited has given up.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.wake.abandon(ticket);
    }

    /// The wake command has ended.
    pub(crate) fn woke(&mut self, now: Instant, result: Result<A, ()>) -> Called<A> {
        match self.wake.woke(result) {
            Woke::Released { tickets, agent, waking } => {
                self.idle.woke(now);
                let mut pass = || Pass { agent: agent.clone(), waking, open: self.idle.open(now) };
                Called::Released(tickets.into_iter().map(|ticket| (ticket, pass())).collect())
            }
            Woke::Failed(tickets) => Called::Failed(tickets),
            Woke::Again => Called::Again,
            Woke::Ignored => Called::Ignored,
        }
    }

    /// Something came from the client's side of an open request: it counts, and it wakes.
    pub(crate) fn sent(&mut self, open: OpenId, now: Instant) -> Option<Command> {
        self.idle.moved(open, now);
        self.wake.demand(now)
    }

    /// Something came from the agent's side of an open request: it counts.
    pub(crate) fn received(&mut self, open: OpenId, now: Instant) {
        self.idle.moved(open, now);
    }

    /// The head of the answer came.
    pub(crate) fn answered(&mut self, open: OpenId, now: Instant) {
        self.idle.answered(open, now);
    }

    /// An open request ended.
    pub(crate) fn close(&mut self, open: OpenId, now: Instant) {
        self.idle.close(open, now);
    }

    /// When it is due for standby; `None`: never.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.idle.due()
    }

    /// Something that cannot be seen from here keeps it awake.
    pub(crate) fn look_again(&mut self, now: Instant) {
        self.idle.look_again(now);
    }

    /// Puts it to sleep where it is due and still in the waking that was looked at.
    pub(crate) fn sleep_if_due(&mut self, now: Instant, looked_at: WakingId) -> Option<Command> {
        let same = self.wake.agent().is_some_and(|(_, waking)| waking == looked_at);
        if same && self.idle.is_due(now) { self.wake.sleep() } else { None }
    }

    /// Puts it to sleep because somebody says so. A request that waits for its answer forbids it.
    pub(crate) fn sleep_now(&mut self) -> Result<Option<Command>, Busy> {
        match self.idle.unanswered() {
            0 => Ok(self.wake.sleep()),
            requests => Err(Busy { requests }),
        }
    }

    /// The sleep command has ended.
    pub(crate) fn slept(&mut self, now: Instant, outcome: Slept<A>) -> Option<Command> {
        // After a failure the next try waits as long as after a request.
        self.idle.woke(now);
        self.wake.slept(now, outcome)
    }

    /// Somebody else changed the sandbox.
    pub(crate) fn overtaken(&mut self) {
        self.wake.overtaken();
    }

    /// The engine says that it is awake.
    pub(crate) fn found(&mut self, now: Instant, agent: A) {
        self.idle.woke(now);
        self.wake.found(agent);
    }

    /// The agent of a waking cannot be reached.
    pub(crate) fn lost(&mut self, waking: WakingId) {
        self.wake.lost(waking);
    }

    /// It is being deleted; those who wait are told.
    pub(crate) fn remove(&mut self) -> Vec<Ticket> {
        self.wake.remove()
    }

    /// It could not be deleted.
    pub(crate) fn restore(&mut self) {
        self.wake.restore();
    }
}

/// Requests that wait for their answer keep the sandbox awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) requests: usize,
}

#[cfg(test)]
mod tests;
