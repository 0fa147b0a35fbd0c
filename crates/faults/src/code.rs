//! The error codes of HTTP/2, as RST_STREAM and GOAWAY carry them.

use std::fmt;

/// An HTTP/2 error code (RFC 9113, section 7). Codes without a name are allowed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl Code {
    /// A graceful end.
    pub const NO_ERROR: Self = Self(0x0);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// The server failed inside.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// The peer sent more than the window allowed.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// A frame of an impossible size.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The stream was refused before any of it was processed.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer wanted.
    pub const CANCEL: Self = Self(0x8);
    /// The header compression state is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The peer is asked to slow down.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The request has to be made over HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);

    /// The code that the RFC calls by this name, e.g. `REFUSED_STREAM`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().zip(0..).find(|(known, _)| **known == name).map(|(_, code)| Self(code))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0).ok().and_then(|index| NAMES.get(index)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}
