use std::fmt;

use http::{HeaderMap, StatusCode};

/// What a repeat of an operation would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Replay {
    /// It may change something: it is sent again only if nothing before can have run.
    #[default]
    Never,
    /// It only reads.
    Read,
    /// It changes something, but the caller states that a repeat is harmless.
    Vouched,
}

/// Whether the body of a request can be sent a second time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resend {
    /// It can: it is held in memory, can be made anew, or there is none.
    #[default]
    Again,
    /// It is a stream that is gone once it was sent.
    Once,
}

/// Whether a request can have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dispatch {
    /// It cannot: there is a proof.
    NotDispatched(Proof),
    /// Nobody knows: it was, or may have been, written to a connection, and no answer came.
    Unknown,
    /// The head of an answer came.
    Answered,
}

/// Why a request cannot have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// The name of the host was not resolved.
    Resolve,
    /// No connection was made.
    Connect,
    /// The connection ended before it was secured.
    Tls,
    /// The HTTP library gave the request back before it wrote any of it.
    Canceled,
    /// The peer's GOAWAY does not cover the stream (RFC 9113, section 6.8).
    GoAway,
    /// The peer refused the stream (RFC 9113, section 8.7).
    RefusedStream,
    /// The gateway says so, in headers and body alike.
    Gateway,
}

/// An attempt that brought no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// Whether the request can have been carried out.
    pub dispatch: Dispatch,
}

impl Fault {
    /// A fault of a request that cannot have been carried out.
    #[must_use]
    pub const fn proven(kind: FaultKind, proof: Proof) -> Self {
        Self { kind, dispatch: Dispatch::NotDispatched(proof) }
    }

    /// A fault of a request that may have been carried out.
    #[must_use]
    pub const fn unknown(kind: FaultKind) -> Self {
        Self { kind, dispatch: Dispatch::Unknown }
    }

    /// A fault that came after the head of the answer.
    #[must_use]
    pub const fn answered(kind: FaultKind) -> Self {
        Self { kind, dispatch: Dispatch::Answered }
    }
}

/// What happened to an attempt that brought no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The name of the host was not resolved.
    Resolve,
    /// The connection was refused.
    Refused,
    /// There is no way to the host, or the connection broke while it was made.
    Unreachable,
    /// No connection was made in time.
    ConnectTimeout,
    /// There may not be more connections, and none was free in time.
    PoolTimeout,
    /// The connection broke while it was secured.
    Handshake,
    /// The certificate is bad, or another verdict of TLS.
    TlsVerdict,
    /// The forward proxy refused the connection.
    Proxy,
    /// The connection was reset.
    Reset,
    /// The connection was closed before an answer, or inside its head.
    Closed,
    /// The body ended before its end.
    BodyCut,
    /// The answer is no HTTP.
    Garbled,
    /// No byte came for too long.
    ReadTimeout,
    /// No byte came for some seconds on a connection that had served before, so that another was tried beside it.
    Silent,
    /// The attempt took longer than it may.
    AttemptTimeout,
    /// The caller's deadline, or the policy's limit, cut the attempt.
    Deadline,
    /// The peer sent GOAWAY.
    GoAway,
    /// The peer refused the stream.
    RefusedStream,
    /// The peer reset the stream for another reason.
    StreamReset,
    /// The HTTP library gave the request back unsent.
    Canceled,
    /// The request itself cannot be sent.
    Unsendable,
    /// The body of the request could not be read.
    RequestBody,
    /// The answer is larger than it may be.
    TooLarge,
    /// This machine lacks something: files, ports, memory, a runtime.
    Local,
}

impl FaultKind {
    /// Whether it may be well in a moment.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Resolve
            | Self::Refused
            | Self::Unreachable
            | Self::ConnectTimeout
            | Self::Handshake
            | Self::Reset
            | Self::Closed
            | Self::BodyCut
            | Self::Garbled
            | Self::ReadTimeout
            | Self::Silent
            | Self::AttemptTimeout
            | Self::GoAway
            | Self::RefusedStream
            | Self::StreamReset
            | Self::Canceled => true,
            Self::PoolTimeout
            | Self::TlsVerdict
            | Self::Proxy
            | Self::Deadline
            | Self::Unsendable
            | Self::RequestBody
            | Self::TooLarge
            | Self::Local => false,
        }
    }

    /// One word or two, as it stands in a history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "not resolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect time-out",
            Self::PoolTimeout => "pool time-out",
            Self::Handshake => "handshake broken",
            Self::TlsVerdict => "tls refused",
            Self::Proxy => "proxy refused",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::BodyCut => "body cut",
            Self::Garbled => "no http",
            Self::ReadTimeout => "read time-out",
            Self::Silent => "silent",
            Self::AttemptTimeout => "attempt time-out",
            Self::Deadline => "deadline",
            Self::GoAway => "goaway",
            Self::RefusedStream => "stream refused",
            Self::StreamReset => "stream reset",
            Self::Canceled => "not sent",
            Self::Unsendable => "cannot be sent",
            Self::RequestBody => "request body broken",
            Self::TooLarge => "answer too large",
            Self::Local => "local fault",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the answer itself says of a workload that a gateway cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nothing healthy serves it right now.
    Unavailable,
    /// The same, and it is proven that the request was not handed on.
    NotDispatched,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) refusal: Option<Refusal>,
}

impl<'a> Head<'a> {
    /// A head that says what its status says.
    #[must_use]
    pub fn new(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self { status, headers, refusal: None }
    }

    /// A head in which the caller has found a gateway's refusal, if it has found one.
    #[must_use]
    pub fn with_refusal(self, refusal: Option<Refusal>) -> Self {
        Self { refusal, ..self }
    }
}
