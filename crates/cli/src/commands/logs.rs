use clap::Args;
use futures_util::StreamExt;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// Show what a process has written
///
/// Its standard output goes to stdout and its standard error to stderr: byte for byte with --follow, else as text, the
/// last 4 MiB of each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille logs box web
  reveille logs -f box web")]
pub(crate) struct Logs {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Its name, or its number
    process: String,
    /// Go on until it ends
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Logs) -> Result<Exit, Failure> {
    let request = Request::new("GET", format!("/process/{}/logs", asked.process));
    let asking = connection.asking(&asked.sandbox, request);
    let processes = connection.sandbox(&asked.sandbox).processes();
    if !asked.follow {
        let call = processes.logs(&asked.process).with_history();
        let (logs, history) = call.await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        screen.logs(&logs, &history)?;
        return Ok(Exit::Done);
    }
    let mut stream = processes.follow(&asked.process);
    let mut shown = screen.output_of_a_process(None);
    while let Some(event) = stream.next().await {
        let event = event.map_err(|error| asking.failed_with(&error, &asked.process))?;
        if shown.show(&event)?.is_some() {
            // Its exit code is its own: to have followed it to its end is what was asked for.
            return Ok(Exit::Done);
        }
    }
    Err(Failure::new("the output ended before the process did"))
}
