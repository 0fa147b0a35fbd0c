mod coding;
mod showing;
mod trip;
mod written;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::typed::{WriteOut, write_out};

/// An HTTP request to a port inside a sandbox
///
/// GET, HEAD and OPTIONS survive the waking of the sandbox. Every other method is sent once, and again only if
/// it is proven that it did not run.
///
/// Without -o and -N the body is read before any of it is shown, so that a body that breaks off is fetched
/// again as a whole; it may have 256 MB. With -o or -N, and of events always, it is handed on as it comes, whatever its size, and a break
/// ends the command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille fetch box 3000 /status --explain
  reveille fetch box 3000 /orders --data-json '{\"cups\": 2}'
  reveille fetch box 3000 /login -L -w '%{http_code}'
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
    /// Nothing; it is there to say how JSON is sent
    #[arg(hide = true, value_parser = no_more)]
    more: Option<String>,
    /// The method; POST with -d, else GET
    #[arg(long, short = 'X', value_name = "METHOD")]
    request: Option<String>,
    /// A header; may be given again
    #[arg(long, short = 'H', value_name = "NAME:VALUE")]
    header: Vec<String>,
    /// The body: text, @FILE, or @- for stdin; its bytes are sent as they are
    #[arg(long, short, value_name = "DATA", allow_hyphen_values = true)]
    data: Option<String>,
    /// JSON as the body: text, @FILE, or @-; with the headers that say so
    #[arg(long, value_name = "JSON", conflicts_with = "data")]
    data_json: Option<String>,
    /// Show the status and headers too
    #[arg(long, short)]
    include: bool,
    /// Ask for the status and headers only
    #[arg(long, short = 'I', conflicts_with_all = ["data", "data_json"])]
    head: bool,
    /// Go where the answer leads; to another origin without credentials
    #[arg(long, short = 'L')]
    location: bool,
    /// Ask for a compressed body, and unpack it
    #[arg(long)]
    compressed: bool,
    /// Write this to stdout at the end: %{http_code}, %{content_type}, %{time_total}, %{size_download},
    /// %{num_redirects}, %{num_retries}, \n
    #[arg(long, short, value_name = "FORMAT", value_parser = write_out)]
    write_out: Option<WriteOut>,
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
    let trip = trip::Trip::new(connection, asked).await?;
    match (&asked.output, asked.no_buffer) {
        (Some(file), _) if file != Path::new("-") => showing::to_file(screen, trip, asked, file).await,
        (Some(_), _) | (None, true) => showing::as_it_comes(screen, trip, asked).await,
        (None, false) => showing::whole(screen, trip, asked).await,
    }
}

/// What curl's `--json` takes stands where nothing is expected here.
fn no_more(_: &str) -> Result<String, String> {
    Err("there is nothing after the path; to send JSON: --data-json".to_owned())
}
