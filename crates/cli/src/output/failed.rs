use std::ffi::OsString;
use std::io::{self, Write};

use serde::Serialize;

use super::json::in_json;
use super::{BAD, FAINT, Format, Line, STRONG, Screen, to_stderr};

use crate::report::{Exit, Facts, Failure, Told, usage};

/// Where the texts of a failure begin, so that they go on below each other.
const ERROR: usize = 7;
const LABELLED: usize = 9;

/// A failure as `--json` shows it, on stderr.
#[derive(Serialize)]
struct Object<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    reveille: Option<&'a Facts>,
}

/// Tells of a command line that is no use of this program: help and version, which go to stdout, or what is wrong.
pub(crate) fn misused(said: &clap::Error, typed: impl Iterator<Item = OsString>) -> Exit {
    if !said.use_stderr() {
        return match said.print() {
            Ok(()) => Exit::Done,
            Err(error) => Screen::bare(Format::People).failed(&Failure::from(error)),
        };
    }
    // What could not be read cannot say in which form it wants its error.
    let json = typed.take_while(|word| word != "--").any(|word| word == "--json");
    let screen = Screen::bare(if json { Format::Json } else { Format::People });
    match usage::hint(said) {
        Some(hint) => screen.failed(&hint),
        None if json => screen.failed(&usage::plain(said)),
        None => {
            for line in said.to_string().trim_end().lines() {
                let (line, indent) = of_usage(line);
                to_stderr(&line, indent);
            }
            Exit::Usage
        }
    }
}

/// A line of what is wrong with a command line, and by how much its rest is moved in where it is broken.
fn of_usage(line: &str) -> (Line, usize) {
    for (label, style) in [("error:", BAD), ("Usage:", STRONG)] {
        if let Some(rest) = line.strip_prefix(label) {
            return (Line::new().styled(style, label).text(rest), ERROR);
        }
    }
    (Line::from(line), line.len() - line.trim_start().len())
}

impl Screen {
    /// Tells of a failure, and says what the shell is to be told.
    pub(crate) fn failed(&self, failure: &Failure) -> Exit {
        let Failure::Told(told) = failure else { return Exit::Done };
        match self.format {
            Format::People => {
                for (line, indent) in for_people(told) {
                    to_stderr(&line, indent);
                }
            }
            // Texts and numbers always are JSON; and where stderr is gone, the exit code still says it.
            Format::Json => {
                let _ = in_json(&for_scripts(told)).and_then(|line| io::stderr().write_all(&line));
            }
        }
        told.exit
    }
}

/// What happened, what was seen, what to do next: a line each.
fn for_people(told: &Told) -> Vec<(Line, usize)> {
    let labelled = |label: &str, text: &str| {
        (Line::from("  ").styled(FAINT, format_args!("{label:<7}")).text(text), LABELLED)
    };
    let mut lines = vec![(Line::new().styled(BAD, "error:").text(" ").text(&told.what), ERROR)];
    lines.extend(told.saw.as_deref().map(|saw| labelled("saw", saw)));
    lines.extend(told.mind.as_deref().map(|mind| (Line::from("  ").text(mind), 2)));
    lines.extend(told.next.as_deref().map(|next| labelled("next", next)));
    lines
}

fn for_scripts(told: &Told) -> Object<'_> {
    Object {
        error: &told.what,
        next: told.next.as_deref(),
        exit: told.exit.code(),
        reveille: told.facts.as_ref(),
    }
}
