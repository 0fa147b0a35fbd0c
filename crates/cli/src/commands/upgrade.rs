use clap::Args;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// Move a sandbox to the newest agent; its processes, logs and files stay
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// The version to go to; the latest when missing
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Upgrade) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("POST", "/upgrade"));
    let call = connection.sandbox(&asked.sandbox).system().upgrade();
    let call = match &asked.to {
        Some(version) => call.version(version),
        None => call,
    };
    let (accepted, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.upgrading(&asked.sandbox, &accepted, &history)?;
    Ok(Exit::Done)
}
