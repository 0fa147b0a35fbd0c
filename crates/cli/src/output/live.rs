//! Lines that are drawn anew in their place.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::Line;

/// So many lines of a terminal whose height nobody knows.
const USUAL_HEIGHT: usize = 24;

/// A block of lines at the bottom of a terminal. Whatever ends it, the last ones stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Live {
    drawn: usize,
}

impl Live {
    /// Draws the lines over those from before, as many as there is room for.
    pub(crate) fn draw(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let height = terminal_size::terminal_size().map_or(USUAL_HEIGHT, |(_, height)| usize::from(height.0));
        let lines = fitted(lines, height.saturating_sub(1).max(1));
        let mut out = anstream::stdout();
        out.write_all(frame(&lines, self.drawn).as_bytes())?;
        self.drawn = lines.len();
        out.flush()
    }
}

fn fitted(mut lines: Vec<Line>, room: usize) -> Vec<Line> {
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(Line::from(format_args!("and {hidden} more: reveille list")));
    }
    lines
}

/// What draws lines over so many others. Nothing is wrapped meanwhile: a line is a line of the terminal.
fn frame(lines: &[Line], over: usize) -> String {
    let mut frame = String::from("\x1b[?7l");
    if over > 0 {
        // Writing to a string cannot fail.
        let _ = write!(frame, "\x1b[{over}A");
    }
    for line in lines {
        let _ = write!(frame, "\r{line}\x1b[K\r\n");
    }
    frame.push_str("\x1b[J\x1b[?7h");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_is_drawn_over_and_nothing_else() {
        let lines = [Line::from("a"), Line::from("b")];
        assert_eq!(frame(&lines, 0), "\x1b[?7l\ra\x1b[K\r\n\rb\x1b[K\r\n\x1b[J\x1b[?7h");
        assert!(frame(&lines[..1], 2).starts_with("\x1b[?7l\x1b[2A\ra\x1b[K\r\n\x1b[J"));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let lines = (0..10).map(|number| Line::from(format_args!("{number}"))).collect();
        let shown: Vec<_> = fitted(lines, 3).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0", "1", "and 8 more: reveille list"]);
    }
}
