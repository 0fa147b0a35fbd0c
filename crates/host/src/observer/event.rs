use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use reveille_wire::SandboxName;

/// What a listener gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// Something happened.
    Event(Event),
    /// The listener was too slow, and so many events are lost to it. A new observation says what is true now.
    Missed(u64),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Counts the events of a host, without a gap.
    pub number: u64,
    /// When it happened.
    pub at: SystemTime,
    /// To which sandbox.
    pub sandbox: SandboxName,
    /// What it was.
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A request to the sandbox reached the gateway.
    RequestBegan(Began),
    /// That request was handed to the sandbox's agent: from now on it may be carried out.
    RequestForwarded(RequestId),
    /// A request ended, with its stream or tunnel. Every request that began ends once.
    RequestEnded(Ended),
    /// The sandbox is in another phase than before.
    Phase(Phase),
    /// The sandbox did not wake.
    WakeFailed {
        /// Why, in one line.
        reason: Arc<str>,
    },
}

/// Which request; good for one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A request at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Began {
    /// Which one.
    pub id: RequestId,
    /// When it came.
    pub at: SystemTime,
    /// The sandbox that it is for.
    pub sandbox: SandboxName,
    /// Its method.
    pub method: Method,
    /// Its path below the sandbox's base, as it was sent, without the query: `/port/3000/status`.
    pub path: String,
}

/// A request that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Which one.
    pub id: RequestId,
    /// Its method.
    pub method: Method,
    /// Its path, as in [`Began`].
    pub path: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How many bytes of its body (or of its tunnel) came from the client.
    pub sent: u64,
    /// How many bytes of the answer's body (or of its tunnel) came from the sandbox.
    pub received: u64,
    /// From its arrival to the head of its answer; none where no answer came.
    pub answered_after: Option<Duration>,
    /// From its arrival to its end.
    pub took: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The sandbox answered with this status.
    Answered(StatusCode),
    /// The gateway answered by itself with this status; the agent has not seen the request.
    Refused(StatusCode),
    /// Its connection was reset without an answer; the agent has not seen it.
    Reset,
    /// It was handed to the agent, and no answer came.
    Broken,
    /// The client went away before it was handed to the agent.
    Left,
}

/// What a sandbox does, as far as the host knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It sleeps or has ended; the next request wakes it.
    Asleep,
    /// Nothing is known of it: the next request finds out and wakes it.
    Unknown,
    /// It is being woken.
    Waking,
    /// Its agent is there for requests.
    Awake,
    /// It is being put to sleep.
    Settling,
    /// It was deleted.
    Gone,
}

/// What is true of a host at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// When.
    pub at: SystemTime,
    /// The number of the last event that it holds; the next one has the next number.
    pub number: u64,
    /// Every sandbox, by name.
    pub sandboxes: Vec<SandboxSeen>,
    /// The requests that have not ended, earliest first.
    pub requests: Vec<Began>,
}

/// A sandbox in a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxSeen {
    /// Its name.
    pub name: SandboxName,
    /// What it does.
    pub phase: Phase,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asleep => "asleep",
            Self::Unknown => "unknown",
            Self::Waking => "waking",
            Self::Awake => "awake",
            Self::Settling => "settling",
            Self::Gone => "gone",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "{}", status.as_u16()),
            Self::Refused(status) => write!(f, "{} by the gateway", status.as_u16()),
            Self::Reset => f.write_str("reset by the gateway"),
            Self::Broken => f.write_str("no answer"),
            Self::Left => f.write_str("the client left"),
        }
    }
}
