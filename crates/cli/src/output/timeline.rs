use std::time::Duration;

use anstyle::Style;
use reveille::{Attempt, Seen};

use super::{BAD, FAINT, GOOD, Letters, Line, WAIT};
use crate::report::Progress;

/// What a whole line stands for; longer calls end at its right edge.
const SPAN: Duration = Duration::from_millis(1_100);

/// Draws calls on lines of one width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    /// How long the gateway refuses everything.
    pub(crate) window: Duration,
    pub(crate) cells: usize,
    pub(crate) letters: Letters,
}

struct Glyphs {
    line: char,
    refused: char,
    answered: char,
    stopped: char,
    edge: [char; 2],
}

impl Timeline {
    fn glyphs(self) -> Glyphs {
        match self.letters {
            Letters::Unicode => {
                Glyphs { line: '─', refused: '×', answered: '●', stopped: '■', edge: ['├', '┤'] }
            }
            Letters::Ascii => {
                Glyphs { line: '-', refused: 'x', answered: 'o', stopped: '#', edge: ['|', '|'] }
            }
        }
    }

    fn cell(self, at: Duration) -> usize {
        let share = at.as_secs_f64() / SPAN.as_secs_f64();
        // Between 0 and the number of cells, both small.
        ((share * self.cells as f64) as usize).min(self.cells.saturating_sub(1))
    }

    /// The line of a call.
    pub(crate) fn draw(self, attempts: &[Attempt], progress: Progress) -> Line {
        let glyphs = self.glyphs();
        let ended = attempts.last().map_or(Duration::ZERO, |last| last.began + last.took);
        let now = match progress {
            Progress::Going(now) => now,
            _ => ended,
        };
        let mut cells = vec![(' ', Style::new()); self.cells];
        let reached = self.cell(now) + 1;
        for cell in cells.iter_mut().take(reached) {
            *cell = (glyphs.line, FAINT);
        }
        for attempt in attempts {
            let refused = match attempt.seen {
                Seen::Status(status) => !status.is_success(),
                _ => true,
            };
            let mark = if refused { (glyphs.refused, WAIT) } else { (glyphs.answered, GOOD) };
            if let Some(cell) = cells.get_mut(self.cell(attempt.began + attempt.took)) {
                *cell = mark;
            }
        }
        if progress == Progress::Stopped
            && let Some(cell) = cells.get_mut(self.cell(ended))
        {
            *cell = (glyphs.stopped, BAD);
        }
        cells.iter().fold(Line::new(), |line, (glyph, style)| line.styled(*style, glyph))
    }

    /// What stands above the lines: the window, and what comes after.
    pub(crate) fn ruler(self) -> Line {
        let glyphs = self.glyphs();
        let window = self.cell(self.window).max(9);
        let mut text = format!("{} waking ", glyphs.edge[0]);
        while text.chars().count() + 1 < window {
            text.push(glyphs.line);
        }
        text.push(glyphs.edge[1]);
        text.push_str(" awake");
        Line::new().styled(FAINT, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fills_from_left_to_right() {
        let timeline = Timeline { window: Duration::from_millis(300), cells: 11, letters: Letters::Ascii };
        let drawn = |ms| {
            let line = timeline.draw(&[], Progress::Going(Duration::from_millis(ms)));
            anstream::adapter::strip_str(&line.to_string()).to_string()
        };
        assert_eq!(drawn(0), "-          ");
        assert_eq!(drawn(500), "------     ");
        assert_eq!(drawn(99_999), "-----------");
    }
}
