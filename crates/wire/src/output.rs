//! Output as it comes, a JSON object a line.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// One line of a streamed execution (`POST /process` with `Accept: text/event-stream` or `application/x-ndjson`) or of
/// a followed log (`GET /process/{id}/logs/stream` with `Accept: application/x-ndjson`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExecFrame {
    /// What the line is.
    #[serde(rename = "type")]
    pub kind: ExecFrameKind,
    /// Output, or a [`ProcessResponse`](crate::ProcessResponse) as a JSON string in a result, or the text of an error.
    #[serde(default)]
    pub data: String,
    /// How `data` stands for bytes; nothing when it is the text that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Which stream a line speaks of that is no output of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<OutputStream>,
    /// How many bytes of that stream are missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// What a line of output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ExecFrameKind {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nothing: the stream lives.
    Keepalive,
    /// A line that the server wrote into standard output between two runs of the process.
    Restart,
    /// Output is missing here.
    Truncated,
    /// It could not be run, or not to its end.
    Error,
    /// It ended.
    Result,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// How a text stands for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Encoding {
    /// RFC 4648, with padding.
    Base64,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// Where a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The data of a line stands for no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBytes;

impl fmt::Display for NotBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data is not in the encoding that it is said to be in")
    }
}

impl std::error::Error for NotBytes {}

impl ExecFrame {
    /// A line with text.
    pub fn new(kind: ExecFrameKind, data: impl Into<String>) -> Self {
        Self { kind, data: data.into(), encoding: None, stream: None, bytes: None }
    }

    /// A line with bytes: as text where they are text, else in base64.
    #[must_use]
    pub fn of_bytes(kind: ExecFrameKind, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::new(kind, text),
            Err(_) => {
                let encoding = Some(Encoding::Base64);
                Self { encoding, ..Self::new(kind, BASE64_STANDARD.encode(bytes)) }
            }
        }
    }

    /// A line that says that output is missing.
    #[must_use]
    pub fn truncated(stream: OutputStream, bytes: u64) -> Self {
        let said = format!("{bytes} bytes of {stream} are missing here");
        let frame = Self::new(ExecFrameKind::Truncated, said);
        Self { stream: Some(stream), bytes: Some(bytes), ..frame }
    }

    /// The bytes that the data stands for.
    ///
    /// # Errors
    /// When it is not in its encoding, or this crate does not know that.
    pub fn into_bytes(self) -> Result<Vec<u8>, NotBytes> {
        match self.encoding {
            None => Ok(self.data.into_bytes()),
            Some(Encoding::Base64) => BASE64_STANDARD.decode(self.data).map_err(|_| NotBytes),
            Some(Encoding::Other) => Err(NotBytes),
        }
    }
}

impl OutputStream {
    /// Both, standard output first.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

impl fmt::Display for OutputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_as_they_are() {
        for bytes in [&b"text"[..], b"", b"a\xffb", "ä".as_bytes(), b"\xc3"] {
            let line = serde_json::to_string(&ExecFrame::of_bytes(ExecFrameKind::Stdout, bytes)).unwrap();
            let frame: ExecFrame = serde_json::from_str(&line).unwrap();
            assert_eq!(frame.into_bytes().unwrap(), bytes, "{line}");
        }
    }

    #[test]
    fn text_is_sent_as_the_platform_sends_it() {
        let frame = ExecFrame::of_bytes(ExecFrameKind::Stdout, b"a\n");
        assert_eq!(serde_json::to_string(&frame).unwrap(), r#"{"type":"stdout","data":"a\n"}"#);
        let missing = serde_json::to_string(&ExecFrame::truncated(OutputStream::Stderr, 7)).unwrap();
        assert!(missing.contains(r#""stream":"stderr","bytes":7"#), "{missing}");
    }

    #[test]
    fn an_encoding_that_is_not_known_is_no_text() {
        for line in [
            r#"{"type":"stdout","data":"x","encoding":"rot13"}"#,
            r#"{"type":"stdout","data":"?","encoding":"base64"}"#,
        ] {
            let frame: ExecFrame = serde_json::from_str(line).unwrap();
            assert_eq!(frame.into_bytes(), Err(NotBytes), "{line}");
        }
    }
}
