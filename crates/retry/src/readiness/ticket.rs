use crate::{Replay, Tick};

/// A call's place with the [`Readiness`](super::Readiness) of its sandbox, from its arrival to its end.
///
/// Whoever drops a ticket gives it back first, by [`leave`](super::Readiness::leave).
#[derive(Debug)]
pub struct Ticket {
    pub(super) id: TicketId,
    pub(super) replay: Replay,
    pub(super) stage: Stage,
    /// When it was sent last.
    pub(super) sent: Tick,
    /// What was known when it began to ask, or was sent last.
    pub(super) known: Known,
    pub(super) refusals: Refusals,
}

/// Names a ticket to whoever wakes its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub(super) u64);

impl Ticket {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> TicketId {
        self.id
    }

    pub(super) const fn is_mutation(&self) -> bool {
        matches!(self.replay, Replay::Never)
    }
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has to be told whether to go, and needs to know by this moment.
    Asking(Tick),
    /// It is under way, or follows its own schedule.
    Going,
}

/// What stood when a call began to ask, or was sent, to know later what is news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// How often the sandbox was forgotten.
    pub(super) epoch: u64,
    /// How many windows have ended.
    pub(super) windows: u64,
    /// How often those who waited were released.
    pub(super) words: u64,
}

/// What became of a call so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusals {
    None,
    /// It has met the window.
    Met,
    /// It has met the window, and was told since that the window is over: what it meets now is the app's own.
    Cleared,
}

/// What a call has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send.
    Go,
    /// Do nothing until this moment, or until woken; then [`poll`](super::Readiness::poll) again. A probe that is
    /// under way goes on.
    Wait {
        /// The latest moment to ask again.
        until: Tick,
    },
    /// Send a probe, and report what it said by [`probed`](super::Readiness::probed). Meanwhile the call is
    /// waiting: it is polled at `until`, and whenever it is woken; an order to go ends the probe.
    Probe {
        /// The latest moment to ask again.
        until: Tick,
    },
    /// Do not send: the sandbox has been met asleep, and did not wake in the time that the call has
    /// ([`StopReason::NoWord`](crate::StopReason::NoWord)). Only a mutation is told so.
    GiveUp,
}

/// What a call does that was refused and is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRefusal {
    /// It waits for the word, by [`wait`](super::Readiness::wait).
    WaitForWord,
    /// The refusal is the app's own. The call makes the wait of its own schedule, and sends.
    OwnSchedule,
}

/// What a probe brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The sandbox itself answered, whatever it said.
    Ready,
    /// The window: a status or a fault that is retried. The server may have asked for a time.
    Asleep(Option<std::time::Duration>),
    /// An answer that says nothing of the sandbox: no leave to ask, no such sandbox, a fault of this machine.
    Neither,
}

/// Whom an event concerns, besides the call that brought it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "who is not woken waits until its own time"]
pub enum Woken {
    /// Nobody.
    #[default]
    Nobody,
    /// One waiting call.
    One(TicketId),
    /// All waiting calls.
    All,
}

impl Woken {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, woken) | (woken, Self::Nobody) => woken,
            (Self::One(one), Self::One(other)) if one == other => self,
            _ => Self::All,
        }
    }
}
