use std::time::{Duration, Instant};

use super::idle::{self, Answer, Ledger, OpenId};
use super::wake::{
    self, Admission, Command, Doubt, Machine, News, NotWoken, Patience, Phase, Slept, Ticket, WakingId, Woke,
};
use crate::engine::Generation;

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
    Again(Command),
    Ignored,
}

impl<A: Clone> Core<A> {
    /// One of a sandbox that nothing is known of, whose next command comes after `generation`.
    pub(crate) fn new(now: Instant, wake: wake::Rules, idle: idle::Rules, generation: Generation) -> Self {
        Self { wake: Machine::new(wake, generation), idle: Ledger::new(now, idle) }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.wake.phase()
    }

    /// The latest generation that is known of.
    pub(crate) fn generation(&self) -> Generation {
        self.wake.generation()
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

    /// Changes after what time it is due.
    pub(crate) fn set_standby_after(&mut self, time: Duration) {
        self.idle.set_standby_after(time);
    }

    /// After what time it is due.
    pub(crate) fn standby_after(&self) -> Duration {
        self.idle.standby_after()
    }

    /// One who waited has given up.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.wake.abandon(ticket);
    }

    /// The wake command of a generation has ended.
    pub(crate) fn woke(
        &mut self,
        now: Instant,
        generation: Generation,
        result: Result<A, NotWoken>,
    ) -> Called<A> {
        match self.wake.woke(generation, result) {
            Woke::Released { tickets, agent, waking } => {
                self.idle.woke(now);
                let mut pass = || Pass { agent: agent.clone(), waking, open: self.idle.open(now) };
                Called::Released(tickets.into_iter().map(|ticket| (ticket, pass())).collect())
            }
            Woke::Failed(tickets) => {
                // What may be awake all the same is looked at as late as after a request.
                self.idle.woke(now);
                Called::Failed(tickets)
            }
            Woke::Again(command) => Called::Again(command),
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
    pub(crate) fn answered(&mut self, open: OpenId, answer: Answer, now: Instant) {
        self.idle.answered(open, answer, now);
    }

    /// An open request ended.
    pub(crate) fn close(&mut self, open: OpenId, now: Instant) {
        self.idle.close(open, now);
    }

    /// How many requests wait for their answer, or are in the middle of it.
    pub(crate) fn unanswered(&self) -> usize {
        self.idle.unanswered()
    }

    /// Whether an open request counts now.
    pub(crate) fn is_in_use(&self, now: Instant) -> bool {
        self.idle.is_in_use(now)
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

    /// Why it is not known whether it is awake, where that is so and it is due.
    pub(crate) fn doubt_when_due(&self, now: Instant) -> Option<Doubt> {
        match self.wake.phase() {
            Phase::Unsure(doubt) if self.idle.is_due(now) => Some(doubt),
            _ => None,
        }
    }

    /// Settles what a command left open: what is due and may be awake is put to sleep.
    pub(crate) fn settle_if_due(&mut self, now: Instant) -> Option<Command> {
        self.doubt_when_due(now).and_then(|_| self.wake.sleep())
    }

    /// Puts it to sleep because somebody says so. A request that waits for its answer forbids it.
    pub(crate) fn sleep_now(&mut self, now: Instant, streams: Streams) -> Result<Option<Command>, Busy> {
        let requests = self.idle.unanswered();
        let settle = match streams {
            Streams::Settle => self.idle.settles(now),
            Streams::Freeze => None,
        };
        if requests > 0 || settle.is_some() {
            return Err(Busy { requests, settle });
        }
        Ok(self.wake.sleep())
    }

    /// The sleep command of a generation has ended.
    pub(crate) fn slept(
        &mut self,
        now: Instant,
        generation: Generation,
        outcome: Slept<A>,
    ) -> Option<Command> {
        // After a failure the next try waits as long as after a request.
        self.idle.woke(now);
        self.wake.slept(now, generation, outcome)
    }

    /// Somebody else changed the sandbox, or it ended by itself.
    pub(crate) fn hear(&mut self, now: Instant, generation: Generation, news: News<A>) {
        self.idle.woke(now);
        self.wake.hear(generation, news);
    }

    /// News were missed.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.idle.woke(now);
        self.wake.doubt();
    }

    /// The agent of a waking cannot be reached.
    pub(crate) fn lost(&mut self, waking: WakingId) {
        self.wake.lost(waking);
    }

    /// It is being deleted; those who wait are told. With the generation of the delete.
    pub(crate) fn remove(&mut self) -> (Vec<Ticket>, Generation) {
        self.wake.remove()
    }

    /// The delete was overtaken by a command of this generation; the next try has the one that is returned.
    pub(crate) fn remove_again(&mut self, latest: Generation) -> Generation {
        self.wake.remove_again(latest)
    }

    /// It could not be deleted.
    pub(crate) fn restore(&mut self, now: Instant) {
        self.idle.woke(now);
        self.wake.restore();
    }
}

/// What becomes of open streams when somebody wants the sandbox asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    /// One on which something has just moved may be in the middle of an answer: wait until it pauses.
    Settle,
    /// They stand still until it wakes.
    Freeze,
}

/// What keeps the sandbox awake when somebody wants it asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    /// So many requests wait for their answer, or are in the middle of it.
    pub(crate) requests: usize,
    /// When the streams have paused, if nothing moves on them until then.
    pub(crate) settle: Option<Instant>,
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
