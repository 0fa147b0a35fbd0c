use std::io::Write;

use anstyle::Style;
use serde::Serialize;

use super::{BAD, FAINT, Format, Screen};

use crate::report::{Exit, Facts, Failure, Told};

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
        let text = match self.format {
            Format::People => for_people(told),
            Format::Json => for_scripts(told),
        };
        // Where stderr is gone, the exit code still says it.
        let _ = write!(anstream::stderr(), "{text}");
        told.exit
    }
}

fn for_people(told: &Told) -> String {
    let mut text = format!("{BAD}error:{BAD:#} {}\n", told.what);
    let mut labelled = |label: &str, value: &Option<String>| {
        if let Some(value) = value {
            let style: Style = FAINT;
            text.push_str(&format!("  {style}{label:<5}{style:#}  {value}\n"));
        }
    };
    labelled("saw", &told.saw);
    if let Some(mind) = &told.mind {
        text.push_str(&format!("  {mind}\n"));
    }
    if let Some(next) = &told.next {
        text.push_str(&format!("  {FAINT}{:<5}{FAINT:#}  {next}\n", "next"));
    }
    text
}

fn for_scripts(told: &Told) -> String {
    let object = Object {
        error: &told.what,
        next: told.next.as_deref(),
        exit: told.exit.code(),
        reveille: told.facts.as_ref(),
    };
    // Texts and numbers always are JSON.
    serde_json::to_string(&object).map_or_else(|_| String::new(), |line| line + "\n")
}
