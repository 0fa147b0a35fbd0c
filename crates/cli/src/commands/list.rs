use clap::{Args, ValueEnum};
use reveille::{SandboxRecord, SandboxState};

use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::typed::pair;

/// List the sandboxes, and whether they are awake
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples
  reveille list --state standby
  reveille list --label team=a --names")]
pub(crate) struct List {
    /// Only those that are in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those with this label; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Only their names, one a line
    #[arg(long)]
    names: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Running,
    Standby,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &List) -> Result<Exit, Failure> {
    let Listed { mut list, lost } = listing::sandboxes(screen, connection).await?;
    let had = list.data.len();
    list.data.retain(|sandbox| asked.wants(sandbox));
    if asked.names {
        screen.names(&list)?;
    } else if list.data.is_empty() && had > 0 {
        screen.none_of(had, &list)?;
    } else {
        screen.sandboxes(&list)?;
    }
    lost.map_or(Ok(Exit::Done), Err)
}

impl List {
    fn wants(&self, sandbox: &SandboxRecord) -> bool {
        let state = match self.state {
            None => true,
            Some(State::Running) => sandbox.state == Some(SandboxState::Running),
            Some(State::Standby) => sandbox.state == Some(SandboxState::Standby),
        };
        state && self.label.iter().all(|(key, value)| sandbox.metadata.labels.get(key) == Some(value))
    }
}
