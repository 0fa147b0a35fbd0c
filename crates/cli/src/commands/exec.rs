use clap::Args;
use futures_util::StreamExt;
use reveille::{ExecFrame, ExecFrameKind, ProcessRequest, ProcessResponse};

use crate::connection::Connection;
use crate::interrupt::asked_to_end;
use crate::output::{Format, Screen};
use crate::report::{Asked, Exit, Failure, Request};
use crate::typed::pair;

/// Run a command in a sandbox
///
/// Its output is shown as it comes, and its exit code is the exit code of reveille. A single argument is read
/// by the sandbox's shell; several are the command and its arguments, as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille exec box ls -l /tmp
  reveille exec box -- 'echo $HOME | tr a-z A-Z'
  reveille exec -d --name web box -- python3 -m http.server 3000")]
pub(crate) struct Exec {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Leave it running, and say what it is called
    #[arg(long, short)]
    detach: bool,
    /// The name of the process
    #[arg(long)]
    name: Option<String>,
    /// The directory that it runs in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// A variable for it; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// The sandbox does not sleep while it runs
    #[arg(long)]
    keep_alive: bool,
    /// The command
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Exec) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("POST", "/process"));
    let processes = connection.sandbox(&asked.sandbox).processes();
    let request = request(asked);
    if asked.detach {
        let call = processes.start(request).with_history();
        let (process, history) = call.await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        screen.started(&process, &history)?;
        return Ok(Exit::Done);
    }
    let mut frames = processes.exec_stream(request).await.map_err(|error| asking.failed(&error))?;
    let history = frames.history().clone();
    screen.explain(&asking.request, &history);
    let ended = asked_to_end()?;
    tokio::pin!(ended);
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            () = &mut ended => {
                screen.note("the command goes on inside the sandbox");
                return Ok(Exit::Interrupted);
            }
        };
        let frame = frame.transpose().map_err(|error| asking.failed(&error))?;
        let Some(frame) = frame else {
            return Err(Failure::new("the output ended before the command did").next("it may still run"));
        };
        if let Some(exit) = shown(screen, &asking, &frame)? {
            return Ok(exit);
        }
    }
}

/// Shows a frame, and says how it ended where it is the last.
fn shown(screen: &Screen, asking: &Asked, frame: &ExecFrame) -> Result<Option<Exit>, Failure> {
    match (frame.kind, screen.format()) {
        (ExecFrameKind::Error, _) => {
            return Err(Failure::new(format!("{}: {}", asking.request, frame.data.trim())));
        }
        (_, Format::Json) => screen.json(frame)?,
        (ExecFrameKind::Stdout, Format::People) => screen.raw(frame.data.as_bytes())?,
        (ExecFrameKind::Stderr, Format::People) => screen.raw_to_stderr(frame.data.as_bytes())?,
        _ => {}
    }
    if frame.kind != ExecFrameKind::Result {
        return Ok(None);
    }
    let process: ProcessResponse = serde_json::from_str(&frame.data).map_err(|error| {
        Failure::new(format!("how the command ended is not what the protocol says: {error}"))
    })?;
    match u8::try_from(process.exit_code) {
        Ok(code) => Ok(Some(Exit::Command(code))),
        Err(_) => Err(Failure::new("the command was ended by a signal")),
    }
}

fn request(asked: &Exec) -> ProcessRequest {
    let command = match asked.command.as_slice() {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    let mut request = ProcessRequest::new(command);
    request.name.clone_from(&asked.name);
    request.working_dir.clone_from(&asked.workdir);
    request.env = asked.env.iter().cloned().collect();
    request.keep_alive = asked.keep_alive;
    request
}

/// A word as a shell takes it for itself (POSIX shell, 2.2.2).
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./=:,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_taken_for_itself() {
        assert_eq!(quoted("a/b-c.d"), "a/b-c.d");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
