use clap::Args;

use crate::attended::{self, WhenInterrupted};
use crate::connection::Connection;
use crate::output::{Format, Screen};
use crate::report::{Exit, Failure, Request};

/// Work at a shell in a sandbox
///
/// The sandbox is woken, and the shell goes on over lost connections, naps and upgrades. Enter, ~ and . leave it
/// running; with its --session it is found again, by several people at once, too. It ends with its own exit code.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille shell box
  reveille shell box --session work       (the same again, later and from elsewhere)")]
pub(crate) struct Shell {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// The shell of this name: one that runs, or a new one
    #[arg(long, short, value_name = "NAME")]
    session: Option<String>,
    /// The directory that it begins in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// Which program it is; the sandbox's own shell when missing
    #[arg(long, value_name = "PROGRAM")]
    shell: Option<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Shell) -> Result<Exit, Failure> {
    if screen.format() == Format::Json {
        return Err(Failure::usage("a shell is for people; there is no JSON of it"));
    }
    let asking = connection.asking(&asked.sandbox, Request::new("GET", "/terminal/ws"));
    let mut opening = connection.sandbox(&asked.sandbox).terminal();
    if let Some(session) = &asked.session {
        opening = opening.session(session);
    }
    if let Some(dir) = &asked.workdir {
        opening = opening.dir(dir);
    }
    if let Some(shell) = &asked.shell {
        opening = opening.shell(shell);
    }
    let again = format!("reveille shell {} --session {}", asked.sandbox, opening.named());
    let when_interrupted = match asked.session {
        Some(_) => WhenInterrupted::Leave,
        None => WhenInterrupted::HangUp,
    };
    let left = attended::attend(screen, &asking, opening, when_interrupted).await?;
    screen.left(left, &again)
}
