use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Asked, Exit, Failure, Request};

/// The longest message, in bytes: a file that is written, say.
const LONGEST: usize = 64 << 20;
/// What JSON-RPC 2.0 says of a message that is no JSON (section 5.1).
const NO_JSON: i32 = -32700;
/// What a server says of its own failures (the same).
const FAILED: i32 = -32000;

/// Give the tools of a sandbox to a client of the Model Context Protocol, by stdin and stdout
///
/// A client starts it: its configuration names the command "reveille" and the arguments "mcp" and the sandbox. Every
/// message wakes the sandbox; a tool is never used twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille mcp box
  claude mcp add box -- reveille mcp box")]
pub(crate) struct Mcp {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Mcp) -> Result<Exit, Failure> {
    let asking = Arc::new(connection.asking(&asked.sandbox, Request::new("POST", "/mcp")));
    let mcp = connection.sandbox(&asked.sandbox).mcp();
    let mut lines = BufReader::new(tokio::io::stdin());
    let under_way = TaskTracker::new();
    loop {
        let mut line = Vec::new();
        let read = read_line(&mut lines, &mut line).await.map_err(|error| Failure::io("stdin", &error))?;
        if read == Read::End {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let message: Result<Value, String> = match read {
            Read::TooLong => Err("the message is longer than 64 MiB".to_owned()),
            Read::Line | Read::End => {
                serde_json::from_slice(&line).map_err(|error| format!("the message is no JSON: {error}"))
            }
        };
        let message = match message {
            Ok(message) => message,
            Err(said) => {
                screen.json(&refusal(&Value::Null, NO_JSON, &said))?;
                continue;
            }
        };
        let (screen, mcp, asking) = (*screen, mcp.clone(), Arc::clone(&asking));
        under_way.spawn(async move {
            // Whoever does not read the answers any more ends this by closing the input.
            let _unread = answer(&screen, &mcp, &asking, &message).await;
        });
    }
    under_way.close();
    under_way.wait().await;
    Ok(Exit::Done)
}

/// Hands a message on, and its answer back.
async fn answer(
    screen: &Screen,
    mcp: &reveille::Mcp,
    asking: &Asked,
    message: &Value,
) -> std::io::Result<()> {
    match mcp.send(message).with_history().await {
        Ok((answer, history)) => {
            screen.explain(&asking.request, &history);
            answer.map_or(Ok(()), |answer| screen.json(&answer))
        }
        Err(error) => {
            screen.failed(&asking.failed(&error));
            match message.get("id") {
                Some(id) => {
                    let mut refusal = refusal(id, FAILED, &error.to_string());
                    refusal["error"]["data"] = json!({"mayHaveRun": error.may_have_run()});
                    screen.json(&refusal)
                }
                None => Ok(()),
            }
        }
    }
}

fn refusal(id: &Value, code: i32, said: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": said}})
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Line,
    /// The beginning of one that is too long.
    TooLong,
    End,
}

/// Reads a line; of one that is too long it keeps the beginning.
async fn read_line(
    from: &mut (impl tokio::io::AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<Read> {
    let mut length = 0;
    loop {
        let there = from.fill_buf().await?;
        if there.is_empty() {
            return Ok(if length == 0 { Read::End } else { read_so_far(length) });
        }
        let end = there.iter().position(|byte| *byte == b'\n');
        let part = &there[..end.unwrap_or(there.len())];
        line.extend_from_slice(&part[..part.len().min(LONGEST.saturating_sub(line.len()))]);
        length += part.len();
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(read_so_far(length));
        }
    }
}

fn read_so_far(length: usize) -> Read {
    if length > LONGEST { Read::TooLong } else { Read::Line }
}
