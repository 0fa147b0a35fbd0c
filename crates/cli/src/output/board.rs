use std::io;
use std::time::Duration;

use reveille::Attempt;
use reveille_host::Isolation;
use serde_json::json;

use super::host::walls;
use super::timeline::Timeline;
use super::{BAD, FAINT, Format, GOOD, Letters, Line, STRONG, Screen, Terminal, WAIT};
use crate::report::{Claim, Facts, Progress, duration};

/// The columns of what a call is, and of how it was finished.
const NAME: usize = 15;
const WAY: usize = 10;
/// The columns of how it ended.
const END: usize = 20;
/// The columns of a line that nobody sees grow.
const PLAIN: usize = 40;
/// Below so many columns there is no room for a line.
const NARROW: usize = 66;

/// Where `reveille try` draws.
#[derive(Debug)]
pub(crate) struct Board {
    screen: Screen,
    terminal: Terminal,
    timeline: Timeline,
}

impl Board {
    pub(crate) fn new(screen: &Screen, window: Duration) -> Self {
        let letters = Letters::of_locale();
        let terminal = match Terminal::at_stdout() {
            Terminal::Live { columns } if columns < NARROW => Terminal::Plain,
            terminal if screen.format == Format::People => terminal,
            _ => Terminal::Plain,
        };
        let narrow = terminal_size::terminal_size().is_some_and(|(width, _)| usize::from(width.0) < NARROW);
        let cells = match terminal {
            Terminal::Live { columns } => (columns - NAME - WAY - END - 3).min(72),
            Terminal::Plain if narrow => 0,
            Terminal::Plain => PLAIN,
        };
        Self { screen: *screen, terminal, timeline: Timeline { window, cells, letters } }
    }

    /// How the line of a call begins.
    fn call(&self, name: &str, way: &str) -> Line {
        Line::from(format_args!("  {name:NAME$}")).styled(FAINT, format_args!("{way:WAY$}"))
    }

    fn is_json(&self) -> bool {
        self.screen.format == Format::Json
    }

    pub(crate) fn opening(&self, url: &str, isolation: &Isolation) -> io::Result<()> {
        if self.is_json() {
            let window = u64::try_from(self.timeline.window.as_millis()).unwrap_or(u64::MAX);
            let isolation = isolation.to_string();
            return self
                .screen
                .json(&json!({"host": {"url": url, "isolation": isolation, "windowMs": window}}));
        }
        let window = duration(self.timeline.window);
        let about = |name: &str| Line::from("  ").styled(FAINT, format_args!("{name:<9}"));
        self.screen.line(Line::new().styled(STRONG, "one sandbox, asleep and awake"))?;
        self.screen.line(about("host").text(format_args!("{url}, {}", walls(isolation))))?;
        if !isolation.missing.is_empty() {
            self.screen.line(about("").text(
                "not all is to be had here: reveille doctor says what is missing, and how to get it",
            ))?;
        }
        self.screen.line(
            about("window")
                .text(format_args!("for {window} after each waking the gateway answers 503 to everything")),
        )
    }

    pub(crate) fn section(&self, title: &str) -> io::Result<()> {
        if self.is_json() {
            return Ok(());
        }
        self.screen.line("")?;
        self.screen.line(Line::new().styled(STRONG, title))?;
        if self.timeline.cells == 0 {
            return Ok(());
        }
        self.screen.line(Line::from("  ").blanks(NAME + WAY).then(self.timeline.ruler()))
    }

    /// A call that goes on; drawn only where the line can be drawn anew.
    pub(crate) fn going(
        &self,
        name: &str,
        way: &str,
        attempts: &[Attempt],
        progress: Progress,
    ) -> io::Result<()> {
        if self.terminal == Terminal::Plain {
            return Ok(());
        }
        self.screen.over(&self.call(name, way).then(self.timeline.draw(attempts, progress)))
    }

    /// A call that ended, with the story of its attempts.
    pub(crate) fn done(
        &self,
        name: &str,
        way: &str,
        attempts: &[Attempt],
        progress: Progress,
        story: &str,
    ) -> io::Result<()> {
        if self.is_json() {
            let facts = Facts::of_attempts(attempts);
            let end = if progress == Progress::Answered { "answered" } else { "stopped" };
            return self.screen.json(&json!({"call": {
                "name": name, "way": way, "end": end, "story": story, "reveille": facts,
            }}));
        }
        let total = attempts.last().map_or(Duration::ZERO, |last| last.began + last.took);
        let total = duration(total);
        let line = self.call(name, way).then(self.timeline.draw(attempts, progress)).text(" ");
        let line = match progress {
            Progress::Answered => line.styled(GOOD, "answered").text(format_args!(" in {total}")),
            _ => line.styled(WAIT, "stopped").text(" at once"),
        };
        if self.terminal != Terminal::Plain {
            self.screen.over(&Line::new())?;
        }
        self.screen.line(line)?;
        let story = match self.timeline.letters {
            Letters::Unicode => story.to_owned(),
            Letters::Ascii => story.replace(" · ", ", "),
        };
        self.screen.line(Line::from("    ").styled(FAINT, story))
    }

    pub(crate) fn closing(&self, claims: &[&Claim], sum: &str) -> io::Result<()> {
        if self.is_json() {
            let holds = claims.iter().all(|claim| claim.is_kept());
            return self.screen.json(&json!({"summary": {"holds": holds, "claims": claims, "sum": sum}}));
        }
        self.screen.line("")?;
        self.screen.line(Line::new().styled(STRONG, "checked"))?;
        let (yes, no) = match self.timeline.letters {
            Letters::Unicode => ("✓", "✗"),
            Letters::Ascii => ("ok", "NO"),
        };
        for claim in claims {
            let (mark, style) = if claim.is_kept() { (yes, GOOD) } else { (no, BAD) };
            let count = format!("{} of {}", claim.held, claim.of);
            let marked = Line::from("  ").styled(style, mark);
            self.screen.line(marked.text(format_args!(" {count:<9} {}", claim.claim)))?;
            for against in &claim.against {
                self.screen.line(Line::from("    ").styled(BAD, against))?;
            }
        }
        self.screen.line("")?;
        self.screen.line(Line::new().styled(FAINT, sum))
    }
}
