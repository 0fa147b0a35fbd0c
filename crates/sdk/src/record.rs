//! What a call did.

use http::{HeaderMap, Method};
use reveille_retry::{Attempt, Dispatch, History, Replay, Seen, StopReason};
use reveille_wire::header;

/// Where a request goes, below the client's own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Site {
    /// The control plane, which makes, lists and deletes sandboxes.
    ControlPlane,
    /// The API of a sandbox: its agent.
    Agent,
    /// An app inside a sandbox, behind a port, or whatever is at a URL that only code names. It could forge
    /// whatever the platform says.
    App,
}

/// Who made an answer, as its headers say (`X-Blaxel-Source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The platform's gateway, instead of the sandbox: there is none of that name, say.
    Platform,
    /// The sandbox, or an app in it.
    Sandbox,
}

impl AnsweredBy {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(header::SOURCE) {
            Some(source) if source == header::SOURCE_PLATFORM => Self::Platform,
            _ => Self::Sandbox,
        }
    }
}

/// What a call did.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) method: Method,
    /// Without its query, which may hold secrets.
    pub(crate) path: String,
    pub(crate) site: Site,
    pub(crate) replay: Replay,
    pub(crate) history: History,
    pub(crate) stop: Option<StopReason>,
}

impl Record {
    /// Whether a request with a side effect may have run without the last answer telling of it.
    pub(crate) fn may_have_run(&self) -> bool {
        if self.replay == Replay::Read {
            return false;
        }
        let last = self.history.len().saturating_sub(1);
        let unclear = |(at, attempt): (usize, &Attempt)| match (attempt.dispatch, attempt.seen) {
            (Dispatch::NotDispatched(_), _) => false,
            (Dispatch::Unknown, _) | (_, Seen::Fault(_)) => true,
            // What was followed by another attempt, or should have been, told nothing.
            (Dispatch::Answered, _) => at < last || self.stop.is_some(),
        };
        self.history.iter().enumerate().any(unclear)
    }
}
