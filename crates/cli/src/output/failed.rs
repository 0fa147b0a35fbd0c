use std::io::{self, Write};

use serde::Serialize;

use super::json::in_json;
use super::{BAD, FAINT, Format, Line, Screen, to_stderr};

use crate::report::{Exit, Facts, Failure, Told};

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

/// Help and version go to stdout, a wrong use to stderr; a closed pipe is nobody's fault.
pub(crate) fn said_by_clap(said: &clap::Error) -> Exit {
    let _ = said.print();
    if said.use_stderr() { Exit::Usage } else { Exit::Done }
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
