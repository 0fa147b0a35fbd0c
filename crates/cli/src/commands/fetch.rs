mod asking;
mod showing;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};

/// An HTTP request to a port inside a sandbox
///
/// GET, HEAD and OPTIONS survive the waking of the sandbox. Every other method is sent once, and again only if
/// it is proven that it did not run.
///
/// Without -o and -N the body is read before any of it is shown, so that a body that breaks off is fetched
/// again as a whole; it may have 256 MB. With -o or -N it is handed on as it comes, whatever its size, and a break
/// ends the command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille fetch box 3000 /status --explain
  reveille fetch box 3000 /orders -d @order.json -H content-type:application/json
  tar c . | reveille fetch box 3000 /upload -X PUT -d @-
  reveille fetch box 3000 /big.tar -o big.tar")]
pub(crate) struct Fetch {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// The port inside the sandbox
    #[arg(allow_negative_numbers = true)]
    port: String,
    /// The path, with its query
    #[arg(default_value = "/")]
    path: String,
    /// The method; POST with -d, else GET
    #[arg(long, short = 'X', value_name = "METHOD")]
    request: Option<String>,
    /// A header; may be given again
    #[arg(long, short = 'H', value_name = "NAME:VALUE")]
    header: Vec<String>,
    /// The body: text, @FILE, or @- for stdin; its bytes are sent as they are
    #[arg(long, short, value_name = "DATA", allow_hyphen_values = true)]
    data: Option<String>,
    /// Show the status and headers too
    #[arg(long, short)]
    include: bool,
    /// Write the body to FILE, which appears only once it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hand the body on as it comes
    #[arg(long, short = 'N', conflicts_with = "output")]
    no_buffer: bool,
    /// End with 22, and without the body, on a status of 400 or more
    #[arg(long, short)]
    fail: bool,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Fetch) -> Result<Exit, Failure> {
    let (asking, call) = asking::asked_for(connection, asked)?;
    match (&asked.output, asked.no_buffer) {
        (Some(file), _) if file != Path::new("-") => {
            showing::to_file(screen, &asking, asked, call, file).await
        }
        (Some(_), _) | (None, true) => showing::as_it_comes(screen, &asking, asked, call).await,
        (None, false) => showing::whole(screen, &asking, asked, call).await,
    }
}
