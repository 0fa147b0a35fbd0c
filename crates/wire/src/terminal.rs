use serde::{Deserialize, Serialize};

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
    },
    /// The window has another size now.
    Resize {
        /// How many letters fit in a line.
        cols: u16,
        /// How many lines there are.
        rows: u16,
    },
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
    },
    /// Why there is no terminal.
    Error {
        /// The reason.
        data: String,
    },
    /// The shell has ended. Not in the platform's protocol: it is told to clients that asked for it by `exit=true`.
    Exit {
        /// Its exit code, as a shell counts it: 128 and the number of a signal that ended it. Missing where it is
        /// not known any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
    },
}
