use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::{Encoding, NotBytes};

/// A message from a client to a terminal (`GET /terminal/ws`), one JSON object each.
///
/// ```
/// use reveille_wire::TerminalInput;
///
/// let resize: TerminalInput = serde_json::from_str(r#"{"type":"resize","cols":120,"rows":40}"#)?;
/// assert_eq!(resize, TerminalInput::Resize { cols: 120, rows: 40 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum TerminalInput {
    /// What was typed.
    Input {
        /// The keys, as a terminal sends them.
        data: String,
        /// How `data` stands for bytes; nothing when it is the text that it is. An addition of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encoding: Option<Encoding>,
        /// How many bytes the client has typed before these. An addition of ours: what was typed already is not typed
        /// again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
    /// The window has another size now.
    Resize {
        /// How many letters fit in a line.
        cols: u16,
        /// How many lines there are.
        rows: u16,
    },
    /// Nobody sits at the terminal any more, and what runs at it is told so (`SIGHUP`). An addition of ours.
    Hangup,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// A message from a terminal to a client, one JSON object each, with a newline behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum TerminalOutput {
    /// What appears on the screen.
    Output {
        /// Text with the escape sequences of the program that wrote it.
        data: String,
        /// How `data` stands for bytes; nothing when it is the text that it is. An addition of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encoding: Option<Encoding>,
    },
    /// Why there is no terminal.
    Error {
        /// The reason.
        data: String,
    },
    /// How much of what the client typed has reached the terminal. An addition of ours.
    Taken {
        /// In bytes.
        input: u64,
    },
    /// Output is missing here, as it is kept no longer. An addition of ours.
    Truncated {
        /// How many bytes.
        bytes: u64,
    },
    /// The shell has ended. An addition of ours. Neither of its fields is there where it is not known how.
    Exit {
        /// Its exit code, where it ended by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// The number of the signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

impl TerminalInput {
    /// Keys that are bytes, of which `at` were typed before: as text where they are text, else in base64.
    #[must_use]
    pub fn of_bytes(at: u64, bytes: &[u8]) -> Self {
        let (data, encoding) = written(bytes);
        Self::Input { data, encoding, at: Some(at) }
    }
}

impl TerminalOutput {
    /// Output that is bytes: as text where they are text, else in base64.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let (data, encoding) = written(bytes);
        Self::Output { data, encoding }
    }
}

/// The bytes that the data of a message of a terminal stands for.
///
/// # Errors
/// When it is not in the encoding that it is said to be in, or in one that this crate does not know.
pub fn terminal_bytes(data: &str, encoding: Option<Encoding>) -> Result<Cow<'_, [u8]>, NotBytes> {
    match encoding {
        None => Ok(Cow::Borrowed(data.as_bytes())),
        Some(Encoding::Base64) => BASE64_STANDARD.decode(data).map(Cow::Owned).map_err(|_| NotBytes),
        Some(Encoding::Other) => Err(NotBytes),
    }
}

fn written(bytes: &[u8]) -> (String, Option<Encoding>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (BASE64_STANDARD.encode(bytes), Some(Encoding::Base64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_on_both_sides_whatever_they_are() {
        for bytes in [&b"ls\n"[..], b"", b"\x00\xff\xc3", "ä€".as_bytes()] {
            let TerminalOutput::Output { data, encoding } = TerminalOutput::of_bytes(bytes) else {
                unreachable!("it is output")
            };
            assert_eq!(terminal_bytes(&data, encoding).as_deref(), Ok(bytes));
        }
        assert_eq!(terminal_bytes("!", Some(Encoding::Base64)), Err(NotBytes));
        assert_eq!(terminal_bytes("", Some(Encoding::Other)), Err(NotBytes));
    }

    #[test]
    fn a_client_of_the_platform_sees_the_messages_of_the_platform() {
        let output = serde_json::to_string(&TerminalOutput::of_bytes(b"a")).unwrap();
        assert_eq!(output, r#"{"type":"output","data":"a"}"#);
        let unknown: TerminalOutput = serde_json::from_str(r#"{"type":"dance","data":{"a":1}}"#).unwrap();
        assert_eq!(unknown, TerminalOutput::Other);
    }
}
