//! The one place where anything is shown: on stdout what was asked for, on stderr all the rest.

mod attended;
#[cfg(target_os = "linux")]
mod board;
mod failed;
mod faults;
mod fetched;
mod files;
mod grade;
#[cfg(target_os = "linux")]
mod host;
mod installed;
mod json;
mod keys;
mod line;
mod live;
mod ports;
mod processes;
mod progress;
mod records;
mod relay;
mod schedules;
mod snapshots;
mod status;
mod style;
mod table;
mod terminal;
#[cfg(target_os = "linux")]
mod timeline;
mod visible;

use std::io::{self, Write};

use reveille::History;
use serde::Serialize;

use crate::arguments::Global;
use crate::report::{Request, in_one_line};

#[cfg(target_os = "linux")]
pub(crate) use board::Board;
pub(crate) use failed::misused;
pub(crate) use fetched::Head;
pub(crate) use files::{Copied, Detail};
pub(crate) use keys::KeyShown;
pub(crate) use line::Line;
pub(crate) use live::Live;
pub(crate) use ports::Listening;
pub(crate) use progress::Progress;
pub(crate) use records::SandboxView;
pub(crate) use style::{BAD, FAINT, GOOD, STRONG, WAIT};
pub(crate) use table::Table;
#[cfg(target_os = "linux")]
pub(crate) use terminal::Letters;
pub(crate) use terminal::Terminal;

/// Whom the output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    People,
    Json,
}

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Errors,
    Notes,
}

/// Whether the attempts of a call are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempts {
    Hidden,
    Shown,
}

/// Where the commands put what they have to show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    format: Format,
    tone: Tone,
    attempts: Attempts,
}

impl Screen {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            format: if global.json { Format::Json } else { Format::People },
            tone: if global.quiet { Tone::Errors } else { Tone::Notes },
            attempts: if global.explain { Attempts::Shown } else { Attempts::Hidden },
        }
    }

    /// One before it is known what was asked for.
    fn bare(format: Format) -> Self {
        Self { format, tone: Tone::Notes, attempts: Attempts::Hidden }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// A line of what was asked for. Colours are taken out where nobody sees them.
    pub(crate) fn line(&self, line: impl Into<Line>) -> io::Result<()> {
        let mut out = anstream::stdout();
        writeln!(out, "{}", line.into())?;
        out.flush()
    }

    /// A line over the one that the cursor stands on, on a terminal whose lines can be written anew.
    #[cfg(target_os = "linux")]
    fn over(&self, line: &Line) -> io::Result<()> {
        let mut out = anstream::stdout();
        write!(out, "\r{line}\x1b[K")?;
        out.flush()
    }

    /// A text from outside among what was asked for, without a line of its own.
    pub(crate) fn word(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(visible::visible(text).as_bytes())?;
        out.flush()
    }

    /// One JSON object on a line of its own.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(&json::in_json(value)?)?;
        out.flush()
    }

    /// The log has not shown everything.
    pub(crate) fn missed(&self, count: u64) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&serde_json::json!({"missed": count}));
        }
        self.line(Line::new().styled(BAD, format_args!("{count} events are not shown: they came too fast")))
    }

    /// A line for people that nobody asked for; it must not stand in the way of the data.
    pub(crate) fn note(&self, line: impl Into<Line>) {
        if self.tone == Tone::Notes {
            to_stderr(&line.into(), 0);
        }
    }

    /// A question, with the cursor behind it.
    pub(crate) fn ask(&self, question: &str) {
        let mut out = anstream::stderr();
        // A stderr that is gone asks nobody; then the answer is no.
        let _ = write!(out, "{}", Line::from(question)).and_then(|()| out.flush());
    }

    /// A setting that could not be used, and what was used instead.
    pub(crate) fn warning(&self, text: impl std::fmt::Display) {
        self.note(Line::new().styled(WAIT, "warning:").text(" ").text(text));
    }

    /// The attempts of a call, where they were asked for.
    pub(crate) fn explain(&self, request: &Request, history: &History) {
        if self.attempts == Attempts::Shown && self.format == Format::People {
            to_stderr(&Line::from(format_args!("  {request}   {}", in_one_line(history))), 4);
        }
    }
}

/// A line on stderr, broken between words where a terminal is narrower; the rest is moved in by `indent`.
fn to_stderr(line: &Line, indent: usize) {
    let mut out = anstream::stderr();
    for line in line.wrapped(terminal::columns_at_stderr(), indent) {
        // A stderr that is gone is no reason to stop.
        let _ = writeln!(out, "{line}");
    }
}
