use std::collections::BTreeSet;
use std::time::Duration;

use super::state::{Look, State, Window};
use super::ticket::{Known, Refusals, Stage, Ticket, TicketId};
use super::{AfterRefusal, Order, ReadinessPolicy, Woken, Word};
use crate::{Replay, Tick};

/// What the calls of one client know of one sandbox together. How it is used stands on the
/// [module's page](crate::readiness).
#[derive(Debug)]
pub struct Readiness {
    policy: ReadinessPolicy,
    state: State,
    look: Look,
    waiting: BTreeSet<TicketId>,
    next: u64,
    known: Known,
    woken: Woken,
}

impl Readiness {
    /// A sandbox of which nothing is known.
    #[must_use]
    pub const fn new(policy: ReadinessPolicy) -> Self {
        Self {
            policy,
            state: State::Unknown,
            look: Look::Nobody,
            waiting: BTreeSet::new(),
            next: 0,
            known: Known { epoch: 0, windows: 0, words: 0 },
            woken: Woken::Nobody,
        }
    }

    /// A call arrives, and asks by [`poll`](Self::poll) whether to go. It can wait until `until`: the moment at
    /// which its own schedule would send for the last time ([`last_send`](crate::Session::last_send)).
    #[must_use]
    pub fn arrive(&mut self, replay: Replay, until: Tick) -> Ticket {
        let id = TicketId(self.next);
        self.next = self.next.wrapping_add(1);
        Ticket {
            id,
            replay,
            stage: Stage::Asking(until),
            sent: Tick::ZERO,
            known: self.known,
            refusals: Refusals::None,
        }
    }

    /// A call that was refused waits for the word ([`AfterRefusal::WaitForWord`]), until `until` at the longest.
    pub fn wait(&self, ticket: &mut Ticket, until: Tick) {
        ticket.stage = Stage::Asking(until);
        ticket.known.words = self.known.words;
    }

    /// What a call has to do now.
    pub fn poll(&mut self, now: Tick, ticket: &mut Ticket) -> Order {
        self.state = self.state.at(now, self.policy.fresh);
        let Stage::Asking(until) = ticket.stage else { return self.go(now, ticket) };
        let order = match self.state {
            // However late it asks, and however short a word holds.
            _ if ticket.known.words != self.known.words => Order::Go,
            State::Ready { doubt: None, .. } | State::Unheard { .. } => Order::Go,
            State::Ready { doubt: Some(_), .. } if ticket.refusals == Refusals::None => Order::Go,
            State::Unknown => self.in_doubt(now, ticket, until),
            State::Resuming(window) | State::Ready { doubt: Some(window), .. } => {
                self.in_window(now, ticket, until, &window)
            }
        };
        match order {
            Order::Go => self.go(now, ticket),
            Order::GiveUp => {
                self.stop_asking(ticket);
                order
            }
            Order::Wait { .. } | Order::Probe { .. } => {
                self.waiting.insert(ticket.id);
                order
            }
        }
    }

    /// The sandbox itself answered a call that was told to go, or brings bytes on an open stream.
    pub fn answered(&mut self, now: Tick, ticket: &mut Ticket) {
        if ticket.known.epoch == self.known.epoch {
            self.release(now);
        }
    }

    /// A call that was told to go met the window: a status or a fault that is retried. `asked` is for how long the
    /// server asked not to be asked again.
    pub fn refused(&mut self, now: Tick, ticket: &mut Ticket, asked: Option<Duration>) -> AfterRefusal {
        self.state = self.state.at(now, self.policy.fresh);
        if ticket.known.epoch != self.known.epoch {
            return AfterRefusal::OwnSchedule;
        }
        let cleared = std::mem::replace(&mut ticket.refusals, Refusals::Met) == Refusals::Cleared;
        match &mut self.state {
            // The window ended while the refusal was on its way.
            State::Ready { doubt: None, .. } if ticket.known.windows != self.known.windows => {}
            State::Ready { heard, .. } if cleared || now.since(*heard) < self.policy.young() => {
                ticket.refusals = Refusals::Cleared;
                return AfterRefusal::OwnSchedule;
            }
            State::Unknown if cleared => return AfterRefusal::OwnSchedule,
            State::Unheard { .. } => return AfterRefusal::OwnSchedule,
            State::Resuming(window) | State::Ready { doubt: Some(window), .. } => window.met(now, asked),
            State::Ready { doubt, .. } => {
                *doubt = Some(Window::opened(now, ticket.sent, asked, &self.policy));
            }
            State::Unknown => {
                self.state = State::Resuming(Window::opened(now, ticket.sent, asked, &self.policy));
                if let Look::Read(..) = self.look {
                    self.look = Look::Nobody;
                }
                self.wake_first();
            }
        }
        AfterRefusal::WaitForWord
    }

    /// A call that was told to go got an answer that says nothing of the sandbox ([`Word::Neither`]).
    pub fn unheard(&mut self, now: Tick, ticket: &Ticket) {
        if self.look.is_by(ticket.id) && self.state.at(now, self.policy.fresh) == State::Unknown {
            self.settle(now, Word::Neither);
        }
    }

    /// The probe of a call brought this. What a probe says that was overtaken is not heard.
    pub fn probed(&mut self, now: Tick, ticket: &Ticket, word: Word) {
        if !matches!(self.look, Look::Probe(by, _) if by == ticket.id) {
            return;
        }
        match word {
            Word::Ready => self.release(now),
            Word::Neither | Word::Asleep(_) => self.settle(now, word),
        }
    }

    /// A call ends, or its caller has gone away. If it was looking, another one looks.
    pub fn leave(&mut self, ticket: &mut Ticket) {
        self.stop_asking(ticket);
        if self.look.is_by(ticket.id) {
            self.look = Look::Nobody;
            self.woken = self.woken.and(Woken::All);
        }
        ticket.stage = Stage::Going;
    }

    /// This client has put the sandbox to sleep, or deleted it: nothing that was heard before counts.
    pub fn forget(&mut self) {
        self.known.epoch = self.known.epoch.wrapping_add(1);
        self.state = State::Unknown;
        self.look = Look::Nobody;
        self.woken = self.woken.and(Woken::All);
    }

    /// Whether the sandbox is held for awake.
    #[must_use]
    pub fn is_ready(&self, now: Tick) -> bool {
        matches!(self.state.at(now, self.policy.fresh), State::Ready { .. })
    }

    /// Whom the events since the last time concern. They are to be polled.
    pub fn woken(&mut self) -> Woken {
        std::mem::take(&mut self.woken)
    }

    /// Nothing is known: a read looks by going, a mutation sends a probe, and who finds somebody looking waits a
    /// little for what comes of it.
    fn in_doubt(&mut self, now: Tick, ticket: &Ticket, until: Tick) -> Order {
        let answer_by = self.look.since().map(|since| since.after(self.policy.beside));
        match self.look {
            // Nothing refused so far: a sandbox that is silent may be holding the probe, as it would the call.
            _ if now >= until => Order::Go,
            Look::Probe(by, _) if by == ticket.id => Order::Wait { until },
            Look::Probe(..) if ticket.is_mutation() => Order::Wait { until },
            Look::Read(..) | Look::Probe(..) if answer_by.is_some_and(|by| now < by) => {
                Order::Wait { until: answer_by.unwrap_or(until).min(until) }
            }
            Look::Probe(..) => Order::Go,
            Look::Read(..) | Look::Nobody if ticket.is_mutation() => {
                self.look = Look::Probe(ticket.id, now);
                Order::Probe { until }
            }
            Look::Read(..) | Look::Nobody => {
                self.look = Look::Read(ticket.id, now);
                Order::Go
            }
        }
    }

    /// The window is there: one of those who wait looks when it is time, and each goes when its own time is up.
    fn in_window(&mut self, now: Tick, ticket: &Ticket, until: Tick, window: &Window) -> Order {
        // The server named a time that the call cannot wait for: a read meets its own answer at once.
        let beyond = ticket.refusals == Refusals::None && window.not_before > until;
        if beyond || now >= until {
            return if ticket.is_mutation() { Order::GiveUp } else { Order::Go };
        }
        let is_first = self.waiting.first().is_none_or(|first| ticket.id <= *first);
        match self.look {
            Look::Probe(..) => Order::Wait { until },
            Look::Nobody | Look::Read(..) if !is_first => Order::Wait { until },
            Look::Nobody | Look::Read(..) if now < window.next => {
                Order::Wait { until: until.min(window.next) }
            }
            Look::Nobody | Look::Read(..) => {
                self.look = Look::Probe(ticket.id, now);
                Order::Probe { until }
            }
        }
    }

    fn go(&mut self, now: Tick, ticket: &mut Ticket) -> Order {
        self.stop_asking(ticket);
        let is_released = ticket.known.words != self.known.words || matches!(self.state, State::Ready { .. });
        if is_released && ticket.refusals == Refusals::Met {
            ticket.refusals = Refusals::Cleared;
        }
        ticket.stage = Stage::Going;
        ticket.sent = now;
        ticket.known = self.known;
        Order::Go
    }

    /// It waits no longer, and its probe, if it has one, is over.
    fn stop_asking(&mut self, ticket: &Ticket) {
        if matches!(self.look, Look::Probe(by, _) if by == ticket.id) {
            self.look = Look::Nobody;
        }
        let was_first = self.waiting.first() == Some(&ticket.id);
        self.waiting.remove(&ticket.id);
        if was_first {
            self.wake_first();
        }
    }

    /// The sandbox was heard: everybody goes.
    fn release(&mut self, now: Tick) {
        if self.state.window().is_some() {
            self.known.windows = self.known.windows.wrapping_add(1);
        }
        self.settle(now, Word::Ready);
    }

    fn settle(&mut self, now: Tick, word: Word) {
        let looked = self.look.since().unwrap_or(now);
        self.state = self.state.at(now, self.policy.fresh).after(now, looked, word, &self.policy);
        self.look = Look::Nobody;
        if let Word::Asleep(_) = word {
            self.wake_first();
            return;
        }
        self.known.words = self.known.words.wrapping_add(1);
        if !self.waiting.is_empty() {
            self.woken = Woken::All;
        }
    }

    /// The first of those who wait is the one to look.
    fn wake_first(&mut self) {
        if let Some(first) = self.waiting.first() {
            self.woken = self.woken.and(Woken::One(*first));
        }
    }
}
