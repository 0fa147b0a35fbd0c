use std::time::SystemTime;

use clap::Args;
use futures_util::StreamExt;
use reveille::ErrorKind;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};
use crate::typed::moment;

/// Show what a process has written
///
/// Its standard output goes to stdout and its standard error to stderr: byte for byte with --follow or --since, else as
/// text, the last 4 MiB of each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille logs box web
  reveille logs -f box web
  reveille logs --since 5m box web")]
pub(crate) struct Logs {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Its name, or its number
    process: String,
    /// Go on until it ends
    #[arg(long, short)]
    follow: bool,
    /// Only what came since then: 30s, 5m, or 2026-12-01T08:00:00Z; to the second
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<SystemTime>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Logs) -> Result<Exit, Failure> {
    let request = Request::new("GET", format!("/process/{}/logs", asked.process));
    let asking = connection.asking(&asked.sandbox, request);
    let processes = connection.sandbox(&asked.sandbox).processes();
    if !asked.follow && asked.since.is_none() {
        let call = processes.logs(&asked.process).with_history();
        let (logs, history) = call.await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        screen.logs(&logs, &history)?;
        return Ok(Exit::Done);
    }
    let position = async |at| {
        let known = processes.position(&asked.process, at).await;
        known.map_err(|error| match asking.failed(&error) {
            // A sandbox that knows it answers with a sentence, also where there is no such process.
            _ if error.kind() == ErrorKind::NotFound && error.explanation().is_none() => {
                Failure::new("this sandbox does not know when output came").next("leave --since out")
            }
            failure => failure,
        })
    };
    let mut stream = match (asked.since, asked.follow) {
        (Some(since), true) => processes.follow_from(&asked.process, position(Some(since)).await?),
        (Some(since), false) => {
            let (from, to) = (position(Some(since)).await?, position(None).await?);
            processes.read_log(&asked.process, from, to)
        }
        (None, _) => processes.follow(&asked.process),
    };
    let mut shown = screen.output_of_a_process(None);
    while let Some(event) = stream.next().await {
        let event = event.map_err(|error| asking.failed_with(&error, &asked.process))?;
        if shown.show(&event)?.is_some() {
            // Its exit code is its own: to have followed it to its end is what was asked for.
            return Ok(Exit::Done);
        }
    }
    if !asked.follow {
        return Ok(Exit::Done);
    }
    Err(Failure::new("the output ended before the process did"))
}
