use std::time::Duration;

use clap::Args;

use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::{Format, Line, Live, Screen, Terminal};
use crate::report::{Exit, Failure};
use crate::typed::duration;

/// Which sandboxes run and which sleep, as it changes
///
/// On a terminal it goes on until Ctrl-C; elsewhere, and with --once, it says what is so now. It wakes nothing.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Say it once, on a terminal too
    #[arg(long)]
    once: bool,
    /// How often it is looked
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = duration::parse_positive)]
    every: Duration,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Status) -> Result<Exit, Failure> {
    let is_live = matches!(Terminal::at_stdout(), Terminal::Live { .. }) && screen.format() == Format::People;
    if asked.once || !is_live {
        let Listed { list, lost } = listing::sandboxes(screen, connection).await?;
        screen.status(connection.client().api_url(), &list)?;
        return lost.map_or(Ok(Exit::Done), Err);
    }
    let mut live = Live::default();
    let mut first = true;
    loop {
        let lines = match listing::sandboxes(screen, connection).await {
            Ok(Listed { list, .. }) => screen.status_lines(connection.client().api_url(), &list),
            Err(failure) if first => return Err(failure),
            // A host that is started anew answers again in a moment.
            Err(Failure::Told(told)) => vec![Line::from(told.what.as_str())],
            Err(gone) => return Err(gone),
        };
        live.draw(lines)?;
        first = false;
        tokio::time::sleep(asked.every).await;
    }
}
