//! What a process says, and how it ended.

use bytes::Bytes;
use reveille_wire::{ExecFrame, ExecFrameKind, OutputStream, ProcessResponse};

/// What happens to a process that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputEvent {
    /// It wrote to its standard output.
    Stdout(Bytes),
    /// It wrote to its standard error.
    Stderr(Bytes),
    /// It failed and is started again; what the sandbox says of that.
    Restart(String),
    /// Output is missing here: the sandbox does not keep it any more.
    Missing {
        /// On which stream, where that is known.
        stream: Option<OutputStream>,
        /// How many bytes, where that is known.
        bytes: Option<u64>,
    },
    /// It has ended. Nothing comes after this.
    Ended(Box<ProcessResponse>),
}

impl OutputEvent {
    /// The event as the protocol has it: one line of a stream of output, as JSON.
    #[must_use]
    pub fn to_frame(&self) -> ExecFrame {
        match self {
            Self::Stdout(bytes) => ExecFrame::of_bytes(ExecFrameKind::Stdout, bytes),
            Self::Stderr(bytes) => ExecFrame::of_bytes(ExecFrameKind::Stderr, bytes),
            Self::Restart(line) => ExecFrame::new(ExecFrameKind::Restart, line),
            Self::Missing { stream: Some(stream), bytes: Some(bytes) } => {
                ExecFrame::truncated(*stream, *bytes)
            }
            Self::Missing { .. } => ExecFrame::new(ExecFrameKind::Truncated, "output is missing here"),
            Self::Ended(process) => {
                // It is texts and numbers: there is nothing in it that JSON cannot say.
                ExecFrame::new(ExecFrameKind::Result, serde_json::to_string(process).unwrap_or_default())
            }
        }
    }
}

/// A process that has ended, with everything that it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// What is known of it. Its output stands beside this, whole; whether it stands here, too, the sandbox decides.
    pub process: ProcessResponse,
    /// Its standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Its standard error, byte for byte.
    pub stderr: Vec<u8>,
}

impl Output {
    pub(super) fn new(process: ProcessResponse, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        Self { process, stdout, stderr }
    }

    /// Whether it ended by itself with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Its exit code; nothing where a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        (self.process.signal.is_none() && self.process.exit_code >= 0).then_some(self.process.exit_code)
    }

    /// The signal that ended it, where the sandbox says so.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.process.signal
    }
}
