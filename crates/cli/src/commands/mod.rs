//! What can be asked for, one file a command.

#[cfg(target_os = "linux")]
pub(crate) mod agent;
mod chosen;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod drive;
pub(crate) mod exec;
pub(crate) mod faults;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod fork;
pub(crate) mod forward;
pub(crate) mod get;
pub(crate) mod grade;
pub(crate) mod health;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod key;
pub(crate) mod kill;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod mcp;
pub(crate) mod ports;
pub(crate) mod ps;
pub(crate) mod relay;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod setup;
pub(crate) mod shell;
pub(crate) mod sleep;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod r#try;
pub(crate) mod upgrade;
pub(crate) mod volume;
pub(crate) mod wake;
pub(crate) mod witness;

use crate::arguments::{Command, Global};
use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::{interruptible, run_to_end};

/// What a command that needs sandboxes on this machine says on another system.
#[cfg(not(target_os = "linux"))]
pub(crate) const LINUX_ONLY: &str =
    "sandboxes on this machine need Linux; the client commands work everywhere";

pub(crate) fn run(screen: &Screen, global: &Global, command: Command) -> Result<Exit, Failure> {
    let connect = || Connection::open(screen, global);
    match command {
        Command::Try(asked) => r#try::run(screen, &asked),
        Command::Host(asked) => host::run(screen, global, &asked),
        Command::Doctor(asked) => doctor::run(screen, &asked),
        Command::Create(asked) => run_to_end(create::run(screen, &connect()?, &asked)),
        Command::Key(asked) => interruptible(key::run(screen, &connect()?, &asked)),
        Command::Status(asked) => interruptible(status::run(screen, &connect()?, &asked)),
        Command::List(asked) => interruptible(list::run(screen, &connect()?, &asked)),
        Command::Get(asked) => interruptible(get::run(screen, &connect()?, &asked)),
        Command::Sleep(asked) => interruptible(sleep::run(screen, &connect()?, &asked)),
        Command::Wake(asked) => interruptible(wake::run(screen, &connect()?, &asked)),
        Command::Delete(asked) => interruptible(delete::run(screen, &connect()?, &asked)),
        Command::Fetch(asked) => interruptible(fetch::run(screen, &connect()?, &asked)),
        Command::Exec(asked) => run_to_end(exec::run(screen, &connect()?, &asked)),
        Command::Shell(asked) => run_to_end(shell::run(screen, &connect()?, &asked)),
        Command::Run(asked) => run_to_end(run::run(screen, &connect()?, &asked)),
        Command::Ports(asked) => interruptible(ports::run(screen, &connect()?, &asked)),
        Command::Forward(asked) => interruptible(forward::run(screen, connect()?, &asked)),
        Command::Mcp(asked) => interruptible(mcp::run(screen, &connect()?, &asked)),
        Command::Ps(asked) => interruptible(ps::run(screen, &connect()?, &asked)),
        Command::Logs(asked) => interruptible(logs::run(screen, &connect()?, &asked)),
        Command::Stop(asked) => interruptible(stop::run(screen, &connect()?, &asked)),
        Command::Kill(asked) => interruptible(kill::run(screen, &connect()?, &asked)),
        Command::Ls(asked) => interruptible(files::look::ls(screen, &connect()?, &asked)),
        Command::Tree(asked) => interruptible(files::look::tree(screen, &connect()?, &asked)),
        Command::Cat(asked) => interruptible(files::cat::run(screen, &connect()?, &asked)),
        Command::Cp(asked) => interruptible(files::cp::run(screen, &connect()?, &asked)),
        Command::Rm(asked) => interruptible(files::change::rm(screen, &connect()?, &asked)),
        Command::Mkdir(asked) => interruptible(files::change::mkdir(screen, &connect()?, &asked)),
        Command::Find(asked) => interruptible(files::search::find(screen, &connect()?, &asked)),
        Command::Grep(asked) => interruptible(files::search::grep(screen, &connect()?, &asked)),
        Command::Watch(asked) => interruptible(files::watch::run(screen, &connect()?, &asked)),
        Command::Health(asked) => interruptible(health::run(screen, &connect()?, &asked)),
        Command::Drive(asked) => interruptible(drive::run(screen, &connect()?, &asked)),
        Command::Image(asked) => interruptible(image::run(screen, &connect()?, &asked)),
        Command::Volume(asked) => interruptible(volume::run(screen, &connect()?, &asked)),
        Command::Snapshot(asked) => interruptible(snapshot::run(screen, &connect()?, &asked)),
        Command::Fork(asked) => interruptible(fork::run(screen, &connect()?, &asked)),
        Command::Schedule(asked) => interruptible(schedule::run(screen, &connect()?, &asked)),
        Command::Upgrade(asked) => interruptible(upgrade::run(screen, &connect()?, &asked)),
        Command::Setup(asked) => setup::run(screen, &asked),
        Command::Relay(asked) => relay::run(screen, global, &asked),
        Command::Grade(asked) => grade::run(screen, &asked),
        Command::Faults(asked) => faults::run(screen, &asked),
        Command::Witness(asked) => witness::run(screen, &asked),
        #[cfg(target_os = "linux")]
        Command::Agent(_) => Err(Failure::usage("the agent is started on its own")),
    }
}
