use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode};
use reveille_wire::SandboxName;

/// Is told of every request that reached a sandbox's gateway, once, when it is decided what becomes of it.
///
/// It runs on the host's threads: it must be quick and must not block.
pub type Observer = Arc<dyn Fn(&Passage) + Send + Sync>;

/// A request at the gateway, and what became of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Passage {
    /// When that was decided.
    pub at: Instant,
    /// The sandbox that it was for.
    pub sandbox: SandboxName,
    /// Its method.
    pub method: Method,
    /// Its path below the sandbox's base, as it was sent, without the query: `/port/3000/status`.
    pub path: String,
    /// What became of it.
    pub what: Passed,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passed {
    /// It was handed to the sandbox's agent.
    Forwarded,
    /// The gateway answered by itself with this status; the agent has not seen it.
    Rejected(StatusCode),
    /// Its connection was reset without an answer; the agent has not seen it.
    Reset,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwarded => f.write_str("forwarded"),
            Self::Rejected(status) => write!(f, "answered {} by the gateway", status.as_u16()),
            Self::Reset => f.write_str("reset"),
        }
    }
}
