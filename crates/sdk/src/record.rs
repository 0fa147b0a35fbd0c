//! What a call did.

use std::time::Duration;

use http::{HeaderMap, Method};
use reveille_retry::{History, Replay, Seen, StopReason};
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

/// Who made an answer, as its headers and the place that it came from say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnsweredBy {
    /// The platform: its control plane, or its gateway instead of the sandbox (`X-Blaxel-Source`).
    Platform,
    /// The API of the sandbox, as far as anybody says.
    Agent,
    /// The app behind a port.
    App,
}

impl AnsweredBy {
    pub(crate) fn of(site: Site, headers: &HeaderMap) -> Self {
        // Few names are gone over faster than one is looked up.
        let source = headers.iter().find(|(name, _)| **name == header::SOURCE);
        match (source, site) {
            (Some((_, source)), _) if source == header::SOURCE_PLATFORM => Self::Platform,
            (_, Site::ControlPlane) => Self::Platform,
            (_, Site::Agent) => Self::Agent,
            (_, Site::App) => Self::App,
        }
    }
}

/// What the last probe of a call brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probed {
    pub(crate) seen: Seen,
    /// For how long the server asked not to be asked again.
    pub(crate) asked: Option<Duration>,
}

/// At which step a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// With what its last attempt saw.
    Attempt,
    /// Before a further attempt could be made, or the first.
    Preparation,
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
    pub(crate) ended: Step,
}

impl Record {
    /// Whether a request with a side effect may have run without the last answer telling of it.
    pub(crate) fn may_have_run(&self) -> bool {
        // What ended before a further attempt ended with no answer.
        let stop = match self.ended {
            Step::Attempt => self.stop,
            Step::Preparation => self.stop.or(Some(StopReason::Permanent)),
        };
        self.replay != Replay::Read && self.history.may_have_run(stop)
    }
}
