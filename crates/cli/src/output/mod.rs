//! The one place where anything is shown: on stdout what was asked for, on stderr all the rest.

#[cfg(target_os = "linux")]
mod board;
mod failed;
mod faults;
mod fetched;
#[cfg(target_os = "linux")]
mod host;
mod records;
mod style;
mod table;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod timeline;

use std::io::{self, Write};

use reveille::History;
use serde::Serialize;

use crate::arguments::Global;
use crate::report::{Request, in_one_line};

#[cfg(target_os = "linux")]
pub(crate) use board::Board;
pub(crate) use failed::said_by_clap;
pub(crate) use fetched::Head;
pub(crate) use records::SandboxView;
pub(crate) use style::{BAD, FAINT, GOOD, STRONG, WAIT};
pub(crate) use table::Table;
#[cfg(target_os = "linux")]
pub(crate) use terminal::{Letters, Terminal};

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

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// A line of what was asked for. Colours are taken out where nobody sees them.
    pub(crate) fn line(&self, text: impl std::fmt::Display) -> io::Result<()> {
        let mut out = anstream::stdout();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// One JSON object on a line of its own.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        let mut out = io::stdout();
        out.write_all(&line)?;
        out.flush()
    }

    /// A line for people that nobody asked for; it must not stand in the way of the data.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if self.tone == Tone::Notes {
            // A stderr that is gone is no reason to stop.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// A setting that could not be used, and what was used instead.
    pub(crate) fn warning(&self, text: impl std::fmt::Display) {
        self.note(format_args!("{WAIT}warning:{WAIT:#} {text}"));
    }

    /// The attempts of a call, where they were asked for.
    pub(crate) fn explain(&self, request: &Request, history: &History) {
        if self.attempts == Attempts::Shown && self.format == Format::People {
            // A stderr that is gone is no reason to stop.
            let _ = writeln!(anstream::stderr(), "  {request}   {}", in_one_line(history));
        }
    }
}
