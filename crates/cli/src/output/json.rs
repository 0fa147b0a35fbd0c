use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::visible::is_hidden;

/// A value as JSON on a line of its own. What a terminal must not see stands as an escape, which every reader of
/// JSON takes for the character itself.
///
/// # Errors
/// When the value refuses to be JSON.
pub(super) fn in_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Visible))?;
    line.push(b'\n');
    Ok(line)
}

struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut shown = 0;
        for (at, letter) in text.char_indices().filter(|(_, letter)| is_hidden(*letter)) {
            writer.write_all(&text.as_bytes()[shown..at])?;
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            shown = at + letter.len_utf8();
        }
        writer.write_all(&text.as_bytes()[shown..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_what_was_written_and_a_terminal_does_not() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}\"ü\n";
        let line = String::from_utf8(in_json(&text).unwrap_or_default()).unwrap_or_default();
        assert_eq!(line, "\"a\\u001b\\u007f\\u009b\\u202e\\udb40\\udc41\\\"ü\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&line).ok().as_deref(), Some(text));
    }
}
