//! Which sandboxes a command is for: some by name, or all.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;

use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::Screen;
use crate::report::{Exit, Failure};

/// The sandboxes that somebody typed.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The names of the sandboxes
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// All there are
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// Whether somebody has to say yes before all sandboxes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    Needless,
    Given,
    /// With what is going to be done, as the question has it.
    Wanted(&'static str),
}

impl Chosen {
    /// Their names.
    pub(super) async fn names(
        &self,
        screen: &Screen,
        connection: &Connection,
        consent: Consent,
    ) -> Result<Vec<String>, Failure> {
        if !self.all {
            return Ok(self.names.clone());
        }
        let Listed { list, lost } = listing::sandboxes(screen, connection).await?;
        if let Some(lost) = lost {
            return Err(lost);
        }
        let names: Vec<String> = list.data.into_iter().map(|sandbox| sandbox.metadata.name).collect();
        if names.is_empty() {
            screen.note("there are no sandboxes");
        }
        match consent {
            Consent::Wanted(doing) if !names.is_empty() => agreed(screen, doing, &names)?,
            Consent::Wanted(_) | Consent::Given | Consent::Needless => {}
        }
        Ok(names)
    }
}

/// Asks whoever sits at the terminal.
fn agreed(screen: &Screen, doing: &str, names: &[String]) -> Result<(), Failure> {
    let question = format!("{doing} {}: {}", names.len(), names.join(", "));
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!("--all would {question}")).next("add --yes if it shall"));
    }
    screen.ask(&format!("{question}? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::io("the answer", &error))?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::new("nothing was done"))
}

/// Does the same with each, whatever becomes of the others; a failure is told at once.
pub(super) async fn each(
    screen: &Screen,
    names: &[String],
    mut act: impl AsyncFnMut(&str) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    if let [name] = names {
        act(name).await?;
        return Ok(Exit::Done);
    }
    let mut ended = Exit::Done;
    for name in names {
        match act(name).await {
            Ok(()) => {}
            Err(Failure::NobodyReads) => return Err(Failure::NobodyReads),
            Err(failure) => {
                let exit = screen.failed(&failure);
                ended = if ended == Exit::Done { exit } else { ended };
            }
        }
    }
    Ok(ended)
}
