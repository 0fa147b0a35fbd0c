//! What this program itself says at a terminal that belongs to another one.

use std::io::{self, IsTerminal, Write};

use super::{Screen, visible};

/// Leaves the other screen, shows the cursor, and ends colours, mouse reports and marked pastes (xterm's control
/// sequences).
const CALM: &[u8] = b"\x1b[?1049l\x1b[?25h\x1b[0m\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\r\n";
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

impl Screen {
    /// A line of its own, on a terminal whose lines end where they are told to.
    pub(crate) fn interject(&self, text: &str) {
        // A stderr that is gone says nothing anyway.
        let _ = write!(io::stderr(), "\r\n[reveille: {}]\r\n", visible::visible(text));
    }

    /// Puts a terminal back whose program had no time to.
    pub(crate) fn calm(&self) {
        if io::stdout().is_terminal() {
            let _gone = self.raw(CALM);
        }
    }

    /// Empties the screen, for what comes again.
    pub(crate) fn clear(&self) {
        if io::stdout().is_terminal() {
            let _gone = self.raw(CLEAR);
        }
    }
}
