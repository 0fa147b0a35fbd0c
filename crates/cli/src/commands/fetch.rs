use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{Stream, StreamExt};
use reveille::{
    AnsweredBy, Body, Bytes, History, Method, Request as Call, Response, StatusCode, StopReason,
    StreamResponse,
};

use crate::connection::Connection;
use crate::output::{Format, Head, Screen};
use crate::report::{Asked, Exit, Facts, Failure, Request};

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

/// What came back, but for its body.
struct Answered<'a> {
    asking: &'a Asked,
    status: StatusCode,
    history: &'a History,
    stopped: Option<StopReason>,
    may_have_run: bool,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Fetch) -> Result<Exit, Failure> {
    let method = method(asked)?;
    let path = asked.path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let request = Request::new(method.as_str(), format!("/port/{}/{path}", asked.port));
    let asking = connection.asking(&asked.sandbox, request);
    // A port that is no number is the call's error, as one that is out of range.
    let port = asked.port.parse::<i64>().map_err(|_| {
        Failure::usage(format!("{:?} is not a port: use a number from 1 to 65535", asked.port))
    })?;
    let mut call = connection.sandbox(&asked.sandbox).network().fetch(port, &asked.path).method(method);
    for header in &asked.header {
        let (name, value) = split(header)?;
        call = call.header(name, value);
    }
    if let Some(data) = &asked.data {
        call = call.body(body(data)?);
    }
    match (&asked.output, asked.no_buffer) {
        (Some(file), _) if file != Path::new("-") => to_file(screen, &asking, asked, call, file).await,
        (Some(_), _) | (None, true) => as_it_comes(screen, &asking, asked, call).await,
        (None, false) => whole(screen, &asking, asked, call).await,
    }
}

fn method(asked: &Fetch) -> Result<Method, Failure> {
    let name = match (&asked.request, &asked.data) {
        (Some(name), _) => name.as_str(),
        (None, Some(_)) => "POST",
        (None, None) => "GET",
    };
    Method::from_bytes(name.as_bytes())
        .map_err(|_| Failure::usage(format!("{name:?} is not a method: use a word like GET or POST")))
}

fn split(header: &str) -> Result<(&str, &str), Failure> {
    let shown: String = header.split(':').next().unwrap_or_default().chars().take(80).collect();
    if header.contains(['\r', '\n', '\0']) {
        return Err(Failure::usage(format!("the header {shown:?} holds a line break, which cannot be sent")));
    }
    match header.split_once(':') {
        Some((name, value)) => Ok((name.trim(), value.trim())),
        None => Err(Failure::usage(format!("{shown:?} is not a header: write it like name:value"))),
    }
}

fn body(data: &str) -> Result<Body, Failure> {
    match data.strip_prefix('@') {
        None => Ok(Body::from(data.to_owned())),
        Some("-") => Ok(Body::stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))),
        Some(path) => {
            let opened = std::fs::File::open(path).and_then(|mut file| file.read(&mut [0; 0]).map(drop));
            opened.map_err(|error| Failure::io(path, &error).exiting(Exit::Usage))?;
            Ok(Body::file(path))
        }
    }
}

async fn whole(screen: &Screen, asking: &Asked, asked: &Fetch, call: Call) -> Result<Exit, Failure> {
    let response = call.await.map_err(|error| asking.failed(&error))?;
    let history = response.history();
    screen.explain(&asking.request, history);
    let answered = Answered {
        asking,
        status: response.status(),
        history,
        stopped: response.stop_reason(),
        may_have_run: response.may_have_run(),
    };
    let failure = answered.failure(asked).or_else(|| refusal(asking, &response));
    match screen.format() {
        Format::Json if failure.is_none() => {
            let facts = Facts::new(history).stopped(response.stop_reason());
            screen.fetched(&head(&response), Some(response.bytes()), &facts)?;
        }
        Format::Json => {}
        Format::People => {
            if asked.include {
                screen.head(&head(&response))?;
            }
            if failure.is_none() || (asked.include && !asked.fail) {
                screen.raw(response.bytes())?;
            }
        }
    }
    failure.map_or(Ok(Exit::Done), Err)
}

/// An answer whose body is still to come, and what is wrong with it.
async fn begun(
    screen: &Screen,
    asking: &Asked,
    asked: &Fetch,
    call: Call,
) -> Result<(StreamResponse, Option<Failure>), Failure> {
    let response = call.stream().await.map_err(|error| asking.failed(&error))?;
    let history = response.history();
    screen.explain(&asking.request, history);
    let answered = Answered {
        asking,
        status: response.status(),
        history,
        stopped: response.stop_reason(),
        may_have_run: response.may_have_run(),
    };
    let failure = answered.failure(asked).or_else(|| streamed_refusal(asking, &response));
    Ok((response, failure))
}

async fn as_it_comes(screen: &Screen, asking: &Asked, asked: &Fetch, call: Call) -> Result<Exit, Failure> {
    let (mut response, failure) = begun(screen, asking, asked, call).await?;
    if asked.include {
        screen.head(&head_of(&response))?;
    }
    if failure.is_none() || ((asked.include || asked.output.is_some()) && !asked.fail) {
        while let Some(piece) = next(asking, &mut response).await? {
            screen.raw(&piece)?;
        }
    }
    failure.map_or(Ok(Exit::Done), Err)
}

async fn to_file(
    screen: &Screen,
    asking: &Asked,
    asked: &Fetch,
    call: Call,
    path: &Path,
) -> Result<Exit, Failure> {
    let (mut response, failure) = begun(screen, asking, asked, call).await?;
    let head = head_of(&response);
    if asked.include && screen.format() == Format::People {
        screen.head(&head)?;
    }
    if failure.is_none() || !asked.fail {
        let mut file = crate::download::Download::begin(path)?;
        while let Some(piece) = next(asking, &mut response).await? {
            file.write(&piece)?;
        }
        let size = file.finish()?;
        screen.note(format_args!("{} written to {}", crate::report::size(size), path.display()));
    }
    match failure {
        Some(failure) => Err(failure),
        None => {
            if screen.format() == Format::Json {
                screen.fetched(&head, None, &Facts::new(response.history()))?;
            }
            Ok(Exit::Done)
        }
    }
}

/// What the platform says instead of the sandbox: that there is none of that name, or that the key is wrong.
fn refusal(asking: &Asked, response: &Response) -> Option<Failure> {
    if response.answered_by() != AnsweredBy::Platform {
        return None;
    }
    response.clone().error_for_status().err().map(|error| asking.failed(&error))
}

/// The same, where the body that explains it has not been read.
fn streamed_refusal(asking: &Asked, response: &StreamResponse) -> Option<Failure> {
    if response.answered_by() != AnsweredBy::Platform || response.status().as_u16() < 400 {
        return None;
    }
    let what =
        format!("{}: {}, answered by the platform and not by the sandbox", asking.request, response.status());
    Some(Failure::new(what).knowing(Facts::new(response.history())))
}

async fn next<S>(asking: &Asked, pieces: &mut S) -> Result<Option<Bytes>, Failure>
where
    S: Stream<Item = Result<Bytes, reveille::Error>> + Unpin,
{
    pieces.next().await.transpose().map_err(|error| asking.failed(&error))
}

fn head(response: &Response) -> Head {
    Head { version: response.version(), status: response.status(), headers: response.headers().clone() }
}

fn head_of(response: &StreamResponse) -> Head {
    Head { version: response.version(), status: response.status(), headers: response.headers().clone() }
}

impl Answered<'_> {
    /// What is wrong with an answer that came.
    fn failure(&self, asked: &Fetch) -> Option<Failure> {
        let facts = Facts::new(self.history).stopped(self.stopped);
        match self.stopped {
            Some(_) if self.may_have_run => {
                Some(self.asking.ambiguous(Some(self.history)).knowing(facts.ambiguous()))
            }
            Some(stopped) => Some(self.asking.unavailable(Some(self.history), Some(stopped)).knowing(facts)),
            None if asked.fail && self.status.as_u16() >= 400 => {
                let what = format!("{}: {}", self.asking.request, self.status);
                Some(Failure::new(what).exiting(Exit::BadStatus).knowing(facts))
            }
            None => None,
        }
    }
}
