use std::fmt;
use std::time::Duration;

/// What to do with what an attempt brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is the answer.
    Deliver,
    /// Let go of it, wait, and send again.
    #[non_exhaustive]
    Retry {
        /// How long.
        wait: Duration,
    },
    /// It is the end, and this is why.
    Stop(StopReason),
}

/// Why nothing is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// It may have run, and a repeat may do harm.
    NotReplayable,
    /// Its body was a stream that is gone.
    BodyOnce,
    /// A repeat would meet the same.
    Permanent,
    /// The retries are spent.
    Exhausted,
    /// Retries are switched off.
    RetriesOff,
    /// The deadline, or the policy's limit, leaves no time for another attempt.
    Deadline,
    /// The server asked for a longer wait than is allowed or fits.
    ServerDelayTooLong(Duration),
    /// The sandbox did not say in time that it is ready, so that a mutation was not sent at all.
    NoWord,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReplayable => f.write_str("not retried"),
            Self::BodyOnce => f.write_str("its body cannot be sent twice"),
            Self::Permanent => f.write_str("a retry would not help"),
            Self::Exhausted => f.write_str("retries spent"),
            Self::RetriesOff => f.write_str("retries are off"),
            Self::Deadline => f.write_str("out of time"),
            Self::NoWord => f.write_str("the sandbox did not wake in time"),
            Self::ServerDelayTooLong(wait) => write!(f, "the server asks to wait {} s", wait.as_secs()),
        }
    }
}

impl std::error::Error for StopReason {}
