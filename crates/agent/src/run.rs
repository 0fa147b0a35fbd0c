//! The agent's life, from its command line to its end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::agent::Agent;
use crate::arguments::{Arguments, Attached, Start, USAGE};
use crate::connection::Connections;
use crate::domain::Domain;
use crate::drives::place;
use crate::files::belongs_to;
use crate::ignored;
use crate::listener::Listener;
use crate::privilege;
use crate::routes::Routes;
use crate::terminate::Terminate;
use crate::upgrade;
use crate::user::give_directory;

/// The signal of a file that grows beyond what its writer may write.
const FILE_TOO_LONG: i32 = nix::libc::SIGXFSZ;

/// How long answers may take to their end once the agent was told to end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What is to be mounted has no place in the sandbox.
const EX_CONFIG: u8 = 78;

/// How long answers may take to their end before an upgrade cuts them. What follows for longer begins anew.
const ANSWERS_BEFORE_UPGRADE: Duration = Duration::from_secs(2);

/// Runs an agent until it is told to end (SIGTERM), and says how that went.
///
/// `arguments` are the words after the program's name. The status is 2 when they cannot be understood, 78 (`EX_CONFIG`
/// of `sysexits.h`) when what is to be mounted has no place in the sandbox, and 1 when the agent cannot start for any
/// other reason; which it is is on standard error.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("error: {what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.start == Start::Check {
        println!("{}\n{}", upgrade::FORMAT, env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let filter = EnvFilter::try_from_env("REVEILLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second subscriber in one process is refused; the first one serves as well.
    let _first = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    if let Err(error) = privilege::keep() {
        tracing::warn!(%error, "what this agent starts can mount drives, too");
    }
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| NotRun::from(format!("no runtime: {error}")))
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    let (what, code) = match ended {
        Ok(()) => return ExitCode::SUCCESS,
        Err(NotRun::NoPlace(what)) => (what, ExitCode::from(EX_CONFIG)),
        Err(NotRun::Failed(what)) => (what, ExitCode::FAILURE),
    };
    eprintln!("error: {what}");
    code
}

/// Why an agent does not run.
#[derive(Debug)]
enum NotRun {
    /// What is to be mounted has no place.
    NoPlace(String),
    Failed(String),
}

impl From<String> for NotRun {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

async fn run(arguments: &Arguments) -> Result<(), NotRun> {
    let mut terminate = Terminate::listen().map_err(|error| format!("no signals: {error}"))?;
    // Caught, it ends nobody: a file that is too long for the sandbox is an error of whoever wrote it. What is started
    // here has it as usual again.
    let _too_long =
        signal(SignalKind::from_raw(FILE_TOO_LONG)).map_err(|error| format!("no signals: {error}"))?;
    ignored::keep_to_ourselves().map_err(|error| format!("no signals: {error}"))?;
    if let Some(user) = &arguments.user {
        belongs_to(user, arguments.rights);
    }
    let domain = Domain::new(arguments.confinement)
        .map_err(|error| format!("what is started cannot be kept in a Landlock domain: {error}"))?;
    let (agent, listener) = match arguments.start {
        Start::Resumed => resume(arguments, domain).map_err(|error| format!("cannot take over: {error}"))?,
        Start::Fresh | Start::Check => {
            attach(arguments)?;
            if let Some(Err(error)) = arguments.user.as_ref().map(give_directory) {
                tracing::warn!(%error, "the directory that commands begin in is not theirs");
            }
            (Agent::fresh(arguments, domain), listen(arguments)?)
        }
    };
    adopt_orphans();
    tokio::spawn(agent.processes().clone().reap());
    let routes = Routes::new(agent.clone());
    loop {
        let connections = Connections::new(routes.clone());
        let end = async {
            tokio::select! {
                () = terminate.told() => End::Terminated,
                () = upgrade::ready(&agent, arguments) => End::Upgraded,
            }
        };
        match connections.serve(&listener, end).await {
            End::Terminated => {
                drop(listener);
                tokio::join!(connections.let_go(LAST_ANSWERS), agent.processes().end_all());
                return Ok(());
            }
            End::Upgraded => {
                connections.let_go(ANSWERS_BEFORE_UPGRADE).await;
                upgrade::begin(&agent, arguments, &listener).await;
            }
        }
    }
}

/// Why the agent takes no more connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Terminated,
    Upgraded,
}

/// Mounts what the sandbox begins with. Nothing runs yet that could be in the way.
fn attach(arguments: &Arguments) -> Result<(), NotRun> {
    if arguments.attached.is_empty() {
        return Ok(());
    }
    let volumes = place::Kept { word: "volume", directory: &arguments.volumes };
    for attached in &arguments.attached {
        let path = match attached {
            Attached::Volume(wanted) => wanted.path.as_str(),
            Attached::Scratch { path, .. } => path.as_str(),
        };
        place::check_way(path).map_err(NotRun::NoPlace)?;
        match attached {
            Attached::Volume(wanted) => place::mount(volumes, wanted)?,
            Attached::Scratch { megabytes, path } => place::mount_scratch(*megabytes, path.as_str())?,
        }
    }
    // One of them may stand where the agent does.
    std::env::current_dir().and_then(std::env::set_current_dir).map_err(|error| {
        NotRun::Failed(format!("the directory that commands begin in is not there: {error}"))
    })
}

fn listen(arguments: &Arguments) -> Result<Listener, String> {
    let listener = Listener::open(arguments.listen)
        .map_err(|error| format!("cannot listen on {:?}: {error}", arguments.listen))?;
    if let Some(address) = listener.address() {
        // Nobody has to read it.
        let _unread = writeln!(std::io::stdout(), "listening on http://{address}");
    }
    Ok(listener)
}

fn resume(arguments: &Arguments, domain: Domain) -> io::Result<(Agent, Listener)> {
    let taken = upgrade::take_over()?;
    let listener = Listener::adopt(taken.listener.try_clone()?)?;
    Ok((Agent::resumed(arguments, domain, taken)?, listener))
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
