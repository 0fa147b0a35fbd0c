use std::time::Duration;

use super::ticket::TicketId;
use super::{ReadinessPolicy, Word};
use crate::Tick;

/// How long a refusal, or an answer that says nothing, is remembered where nobody asks again.
const LINGERS: Duration = Duration::from_secs(10);

/// What is known of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was heard for too long.
    Unknown,
    /// The sandbox answered then. A call that was refused all the same may have asked for a look.
    Ready { heard: Tick, doubt: Option<Window> },
    /// A call or a probe has met the window.
    Resuming(Window),
    /// A probe was answered by somebody who knows nothing of the sandbox: for a while nobody asks.
    Unheard { since: Tick },
}

/// A window while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The last sign of it.
    pub(super) seen: Tick,
    /// The gap before the next look.
    pub(super) gap: Duration,
    /// When somebody looks next.
    pub(super) next: Tick,
    /// The server asked not to be asked before.
    pub(super) not_before: Tick,
}

impl Window {
    /// The first sign: what was sent at `sent` was refused.
    pub(super) fn opened(now: Tick, sent: Tick, asked: Option<Duration>, policy: &ReadinessPolicy) -> Self {
        let gap = policy.next_gap(None);
        let mut window = Self { seen: now, gap, next: sent.after(gap).max(now), not_before: Tick::ZERO };
        window.obey(now, asked);
        window
    }

    /// A call beside the probe has met it, too.
    pub(super) fn met(&mut self, now: Tick, asked: Option<Duration>) {
        self.seen = now;
        self.obey(now, asked);
    }

    /// Somebody has looked, and it lasts. A gap counts from look to look, so that a slow answer makes none longer.
    fn lasts(&mut self, now: Tick, looked: Tick, asked: Option<Duration>, policy: &ReadinessPolicy) {
        self.gap = policy.next_gap(Some(self.gap));
        self.next = looked.after(self.gap).max(now);
        self.met(now, asked);
    }

    fn obey(&mut self, now: Tick, asked: Option<Duration>) {
        self.not_before = self.not_before.max(now.after(asked.unwrap_or_default()));
        self.next = self.next.max(self.not_before);
    }

    /// When nothing that was seen of it says anything any more.
    fn ends(&self) -> Tick {
        self.seen.max(self.next).after(LINGERS)
    }
}

impl State {
    /// What of it still holds.
    pub(super) fn at(self, now: Tick, fresh: Duration) -> Self {
        let holds = match self {
            Self::Unknown => false,
            Self::Ready { heard, .. } => now.since(heard) < fresh,
            Self::Resuming(window) => now < window.ends(),
            Self::Unheard { since } => now.since(since) < LINGERS,
        };
        if holds { self } else { Self::Unknown }
    }

    /// The window that somebody waits out.
    pub(super) fn window(&self) -> Option<&Window> {
        match self {
            Self::Resuming(window) | Self::Ready { doubt: Some(window), .. } => Some(window),
            _ => None,
        }
    }

    /// What a probe that was sent at `looked` makes of it.
    pub(super) fn after(self, now: Tick, looked: Tick, word: Word, policy: &ReadinessPolicy) -> Self {
        match word {
            Word::Ready => Self::Ready { heard: now, doubt: None },
            Word::Neither => Self::Unheard { since: now },
            Word::Asleep(asked) => Self::Resuming(match self.window() {
                Some(window) => {
                    let mut window = *window;
                    window.lasts(now, looked, asked, policy);
                    window
                }
                None => Window::opened(now, looked, asked, policy),
            }),
        }
    }
}

/// Who is finding out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Nobody,
    /// A read that went by itself.
    Read(TicketId, Tick),
    /// A probe.
    Probe(TicketId, Tick),
}

impl Look {
    /// Since when there is one.
    pub(super) fn since(&self) -> Option<Tick> {
        match self {
            Self::Nobody => None,
            Self::Read(_, since) | Self::Probe(_, since) => Some(*since),
        }
    }

    pub(super) fn is_by(&self, id: TicketId) -> bool {
        matches!(self, Self::Read(by, _) | Self::Probe(by, _) if *by == id)
    }
}
