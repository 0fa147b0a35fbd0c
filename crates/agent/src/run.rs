//! The agent's life, from its command line to its end.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::agent::Agent;
use crate::arguments::{Arguments, USAGE};
use crate::connection::Connections;
use crate::listener::Listener;
use crate::routes::Routes;

/// How long answers may take to their end once the agent was told to end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Runs an agent until it is told to end (SIGTERM), and says how that went.
///
/// `arguments` are the words after the program's name. The status is 2 when they cannot be understood, and 1 when
/// the agent cannot start; the reason is on standard error.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("error: {what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_env("REVEILLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second subscriber in one process is refused; the first one serves as well.
    let _first = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("no signals: {error}"))?;
    let listener = Listener::open(arguments.listen)
        .map_err(|error| format!("cannot listen on {:?}: {error}", arguments.listen))?;
    if let Some(address) = listener.address() {
        // Nobody has to read it.
        let _unread = writeln!(std::io::stdout(), "listening on http://{address}");
    }
    let agent = Agent::fresh(arguments);
    adopt_orphans();
    tokio::spawn(agent.processes().clone().reap());
    let connections = Connections::new(Routes::new(agent.clone()));
    let end = async {
        terminate.recv().await;
    };
    connections.serve(&listener, end).await;
    drop(listener);
    tokio::join!(connections.let_go(LAST_ANSWERS), agent.processes().end_all());
    Ok(())
}

/// Makes this process the parent of what its processes leave behind.
fn adopt_orphans() {
    if std::process::id() == 1 {
        return;
    }
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::warn!(%error, "orphans will not be noticed");
    }
}
