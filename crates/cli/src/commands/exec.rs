use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use reveille::{Exec as Command, ProcessStream, Processes};
use tokio::io::AsyncReadExt;

use crate::attended::{self, WhenInterrupted};
use crate::connection::Connection;
use crate::interrupt::asked_to_end;
use crate::output::{Format, Screen};
use crate::report::{Asked, Exit, Failure, Request};
use crate::typed::{duration, pair};

/// How much of standard input is handed on at once, in bytes.
const INPUT: usize = 64 << 10;

/// Run a command in a sandbox
///
/// Its output is shown as it comes, byte for byte, and its exit code is the exit code of reveille; 128 and the number
/// of the signal that ended it. A single argument is read by the sandbox's shell; several are the command and its
/// arguments, as they are. Ctrl-C asks the command to end, a second one kills it; it is asked to end, too, when it
/// writes what nobody reads any more. With -t the command has a terminal: every key goes there, Ctrl-C too, and Enter,
/// ~ and . leave it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille exec box ls -l /tmp
  reveille exec box -- 'echo $HOME | tr a-z A-Z'
  tar c dir | reveille exec -i box -- tar x -C /srv
  reveille exec -t box -- top
  reveille exec -d --name web box -- python3 -m http.server 3000")]
pub(crate) struct Exec {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Leave it running, and say what it is called
    #[arg(long, short, conflicts_with_all = ["interactive", "tty"])]
    detach: bool,
    /// The name of the process
    #[arg(long, conflicts_with = "tty")]
    name: Option<String>,
    /// The sandbox does not sleep while it runs
    #[arg(long, conflicts_with = "tty")]
    keep_alive: bool,
    /// With --keep-alive, kill it after this long [default: 10m]
    #[arg(long, value_name = "DUR", value_parser = duration::parse_positive, requires = "keep_alive")]
    timeout: Option<Duration>,
    #[command(flatten)]
    how: How,
    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// How a command runs.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Hand standard input on to it; without this it reads nothing
    #[arg(long, short)]
    interactive: bool,
    /// Give it a terminal, as large as this one
    #[arg(long, short)]
    tty: bool,
    /// The directory that it runs in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// A variable for it; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Exec) -> Result<Exit, Failure> {
    if asked.how.tty {
        return at_a_terminal(screen, connection, &asked.sandbox, &asked.how, &asked.command).await;
    }
    let processes = connection.sandbox(&asked.sandbox).processes();
    let mut command = command(&processes, &asked.how, &asked.command);
    if let Some(name) = &asked.name {
        command = command.name(name);
    }
    if asked.keep_alive {
        command = command.keep_alive();
    }
    if let Some(most) = asked.timeout {
        command = command.timeout(most);
    }
    if !asked.detach {
        return to_the_end(screen, connection, &asked.sandbox, &asked.how, command, Around::Stays).await;
    }
    let asking = connection.asking(&asked.sandbox, Request::new("POST", "/process"));
    let name = command.named().to_owned();
    let call = command.start().with_history();
    let (process, history) = call.await.map_err(|error| asking.failed_with(&error, &name))?;
    screen.explain(&asking.request, &history);
    screen.started(&process, &history)?;
    Ok(Exit::Done)
}

/// What becomes of the sandbox when its command is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Stays,
    /// It is deleted, with all that runs in it.
    Goes,
}

/// Runs a command to its end, in a sandbox that goes with it.
pub(super) async fn whole(
    screen: &Screen,
    connection: &Connection,
    sandbox: &str,
    how: &How,
    words: &[String],
) -> Result<Exit, Failure> {
    if how.tty {
        return at_a_terminal(screen, connection, sandbox, how, words).await;
    }
    let command = command(&connection.sandbox(sandbox).processes(), how, words);
    to_the_end(screen, connection, sandbox, how, command, Around::Goes).await
}

async fn to_the_end(
    screen: &Screen,
    connection: &Connection,
    sandbox: &str,
    how: &How,
    command: Command,
    around: Around,
) -> Result<Exit, Failure> {
    let asking = connection.asking(sandbox, Request::new("POST", "/process"));
    let processes = connection.sandbox(sandbox).processes();
    let name = command.named().to_owned();
    let followed = Followed { screen, asking: &asking, processes: &processes, name: &name, around };
    let ended = asked_to_end()?;
    let stream = tokio::select! {
        stream = command.stream() => stream.map_err(|error| asking.failed_with(&error, &name))?,
        () = ended => {
            followed.leave();
            return Ok(Exit::Interrupted);
        }
    };
    screen.explain(&asking.request, stream.history());
    let id = stream.id().to_owned();
    let input = async { if how.interactive { hand_on(&processes, id).await } else { Ok(()) } };
    followed.to_the_end(stream, input).await
}

async fn at_a_terminal(
    screen: &Screen,
    connection: &Connection,
    sandbox: &str,
    how: &How,
    words: &[String],
) -> Result<Exit, Failure> {
    if screen.format() == Format::Json {
        return Err(Failure::usage("what happens at a terminal is for people; there is no JSON of it"));
    }
    let asking = connection.asking(sandbox, Request::new("GET", "/terminal/ws"));
    let exports: String = how
        .env
        .iter()
        .map(|(name, value)| format!("export {}; ", quoted(&format!("{name}={value}"))))
        .collect();
    let mut opening = connection.sandbox(sandbox).terminal().command(exports + &line(words));
    if let Some(dir) = &how.workdir {
        opening = opening.dir(dir);
    }
    let again = format!("reveille shell {sandbox} --session {}", opening.named());
    let left = attended::attend(screen, &asking, opening, WhenInterrupted::HangUp).await?;
    screen.left(left, &again)
}

fn command(processes: &Processes, how: &How, words: &[String]) -> Command {
    let mut command = processes.exec(line(words));
    if let Some(dir) = &how.workdir {
        command = command.dir(dir);
    }
    for (name, value) in &how.env {
        command = command.env(name, value);
    }
    if how.interactive { command.stdin_open() } else { command }
}

/// What the sandbox's shell reads: one word as it is, several as words.
pub(super) fn line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

/// Hands standard input on to a process, with its end.
async fn hand_on(processes: &Processes, id: String) -> Result<(), reveille::Error> {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; INPUT];
    // An input that cannot be read has ended.
    while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
        match processes.write_stdin(&id, buffer[..read].to_vec()).await {
            // It wants to read no more, which is no failure of its own.
            Err(error) if error.kind() == reveille::ErrorKind::Conflict => return Ok(()),
            written => written?,
        }
    }
    match processes.close_stdin(&id).await {
        Err(error) if error.kind() != reveille::ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// A command whose output is shown.
struct Followed<'a> {
    screen: &'a Screen,
    asking: &'a Asked,
    processes: &'a Processes,
    name: &'a str,
    around: Around,
}

impl Followed<'_> {
    /// Shows what it says, hands on `input`, and asks it to end when somebody asks reveille to.
    async fn to_the_end(
        &self,
        mut stream: ProcessStream,
        input: impl Future<Output = Result<(), reveille::Error>>,
    ) -> Result<Exit, Failure> {
        let mut shown = self.screen.output_of_a_process(stream.is_exact());
        let mut asked_to = AskedTo::Run;
        tokio::pin!(input);
        let mut hands_on = true;
        let ended = asked_to_end()?;
        tokio::pin!(ended);
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                written = &mut input, if hands_on => {
                    hands_on = false;
                    written.map_err(|error| self.asking.failed_with(&error, self.name))?;
                    continue;
                }
                () = &mut ended => {
                    // Before anything is waited for: a second Ctrl-C may come soon.
                    ended.set(asked_to_end()?);
                    asked_to = asked_to.more();
                    if !self.end(stream.id(), asked_to).await {
                        return Ok(Exit::Interrupted);
                    }
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(Failure::new("the output ended before the command did"));
            };
            let event = event.map_err(|error| self.asking.failed_with(&error, self.name))?;
            match shown.show(&event) {
                Ok(None) => {}
                Ok(Some(exit)) => return Ok(exit),
                Err(failure) => return self.unheard(stream.id(), failure).await,
            }
        }
    }

    /// What it says cannot be shown any more. Where nobody reads it, it ends as a command of this machine would.
    async fn unheard(&self, id: &str, failure: Failure) -> Result<Exit, Failure> {
        if let Failure::NobodyReads = failure {
            if let Err(error) = self.processes.stop(id).await
                && error.kind() != reveille::ErrorKind::NotFound
            {
                self.screen.warning(error);
            }
            return Ok(Exit::Unheard);
        }
        self.leave();
        Err(failure)
    }

    /// Says what stays behind.
    fn leave(&self) {
        if self.around == Around::Stays {
            self.screen.note(format_args!("the command may go on inside the sandbox, as {}", self.name));
        }
    }

    /// Asks the command to end; false where that can be waited for no longer.
    async fn end(&self, id: &str, asked_to: AskedTo) -> bool {
        let asked = match asked_to {
            AskedTo::Run => return true,
            AskedTo::Stop => {
                self.screen.note("asking the command to end; Ctrl-C again kills it");
                self.processes.stop(id).await
            }
            AskedTo::Die => self.processes.kill(id).await,
            AskedTo::BeLeft => {
                self.leave();
                return false;
            }
        };
        match asked {
            Ok(()) => true,
            // It has ended meanwhile.
            Err(error) if error.kind() == reveille::ErrorKind::NotFound => true,
            Err(error) => {
                self.screen.warning(error);
                false
            }
        }
    }
}

/// What somebody wants to become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedTo {
    Run,
    Stop,
    Die,
    BeLeft,
}

impl AskedTo {
    fn more(self) -> Self {
        match self {
            Self::Run => Self::Stop,
            Self::Stop => Self::Die,
            Self::Die | Self::BeLeft => Self::BeLeft,
        }
    }
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
