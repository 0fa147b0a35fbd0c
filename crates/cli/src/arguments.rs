use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::typed::duration;

/// Sandboxes that sleep: reads that survive their waking, mutations that never run twice.
#[derive(Debug, Parser)]
#[command(
    name = "reveille",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_value_name = "COMMAND",
    help_template = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{options}{after-help}",
    before_help = OVERVIEW,
    after_help = AFTER,
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What there is, by what one wants to do.
pub(crate) const OVERVIEW: &str = "\
Begin here
  try         see it: a sandbox sleeps and wakes on this machine, every claim checked
  host        run sandboxes on this machine, until Ctrl-C
  key         give keys of the host to others, and take them away
  doctor      what keeps sandboxes apart on this machine, and what is missing

Sandboxes
  create      make one and start it
  list        those there are, and whether they are awake
  status      which run and which sleep, as it changes
  get         one, in full
  sleep       put one to standby now
  wake        wake one now
  delete      end one, or all, and remove the files
  image       import what sandboxes on this machine are made of
  volume      files that outlive sandboxes, to create one with
  snapshot    what a sandbox was at a moment that you chose, to go back to
  fork        a new one that begins as another is now
  schedule    commands that sandboxes run by the clock

Inside one
  fetch       an HTTP request to a port inside a sandbox
  exec        run a command in it
  run         the same in a sandbox that is made for it, and deleted afterwards
  shell       work at a shell in it
  ps          list its processes
  logs        what a process has written
  ports       on which ports its processes listen
  forward     reach a port of it by a port of this machine
  mcp         give its tools to a client of the Model Context Protocol
  stop, kill  ask a process to end, or end it
  health      ask its agent how it is
  drive       list, mount and unmount drives
  upgrade     move it to the newest agent, its processes stay

Its files
  ls, tree    what is in a directory, and all that is below it
  cat         files to stdout
  cp          files and directories in, out, and from one sandbox to another
  rm, mkdir   remove, and make directories
  find, grep  files by name, and lines in them
  watch       what happens in a directory

For other clients
  relay       stand between any client and a platform: its reads survive, its mutations wake first

For tests of clients
  grade       how any client behaves while a sandbox wakes, rule by rule
  faults      a server that misbehaves to a script, and tells what arrived

  setup       install shell completion and manual pages
  help        all of this, or all of one command: reveille help fetch
";

const AFTER: &str = "\
Examples
  reveille try
  reveille host                                      (leave it running; go on in another terminal)
  reveille create box
  reveille exec -d box -- python3 -m http.server 3000
  reveille sleep box
  reveille fetch box 3000 / --explain                (wakes it, and shows every attempt)

Where to
  The sandbox platform that BL_API_KEY and BL_WORKSPACE or the file ~/.blaxel/config.yaml name;
  else the local host that is running. --host and --workspace choose another for one command.

For scripts
  --json prints the platform's own JSON, and under the key \"reveille\" what this program knows of
  the call: every attempt, whether it was dispatched, why it stopped. An error is one object on
  stderr: {\"error\", \"next\", \"exit\", \"reveille\"}.

Exit codes
  0 done · 1 failed · 2 wrong use · 22 a status of 400 or more, with --fail
  75 nothing usable came until the budget was spent: it stayed unavailable, say
";

/// Flags that mean the same in every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "In every command")]
pub(crate) struct Global {
    /// One JSON object on stdout, or one a line for what streams; an error is one on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Nothing on stderr but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// How often a read is sent again at the most [default: 5, or BL_SANDBOX_READ_RETRIES]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// Go on trying for this long, and no longer: 300ms, 60s, 5m
    #[arg(long, global = true, value_name = "DUR", value_parser = duration::parse_positive)]
    pub(crate) deadline: Option<Duration>,
    /// Show on stderr every attempt, what it saw and how long was waited
    #[arg(long, global = true)]
    pub(crate) explain: bool,
    /// Send nothing but the request: no probe before a mutation, no waiting for another one's
    #[arg(long, global = true)]
    pub(crate) no_probe: bool,
    /// The platform or local host to talk to, instead of the one in the settings
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) host: Option<String>,
    /// The workspace, instead of the one in the settings
    #[arg(long, global = true, value_name = "W")]
    pub(crate) workspace: Option<String>,
    /// Send the credentials along to a URL that was typed, which is not done otherwise
    #[arg(long, global = true)]
    pub(crate) auth: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Try(commands::r#try::Try),
    Host(commands::host::Host),
    Doctor(commands::doctor::Doctor),
    Create(commands::create::Create),
    List(commands::list::List),
    Status(commands::status::Status),
    Key(commands::key::Key),
    Get(commands::get::Get),
    Sleep(commands::sleep::Sleep),
    Wake(commands::wake::Wake),
    Delete(commands::delete::Delete),
    Fetch(commands::fetch::Fetch),
    Exec(commands::exec::Exec),
    Run(commands::run::Run),
    Shell(commands::shell::Shell),
    Ports(commands::ports::Ports),
    Forward(commands::forward::Forward),
    Mcp(commands::mcp::Mcp),
    Ps(commands::ps::Ps),
    Logs(commands::logs::Logs),
    Stop(commands::stop::Stop),
    Kill(commands::kill::Kill),
    Ls(commands::files::look::Ls),
    Tree(commands::files::look::Tree),
    Cat(commands::files::cat::Cat),
    Cp(commands::files::cp::Cp),
    Rm(commands::files::change::Rm),
    Mkdir(commands::files::change::Mkdir),
    Find(commands::files::search::Find),
    Grep(commands::files::search::Grep),
    Watch(commands::files::watch::Watch),
    Health(commands::health::Health),
    Drive(commands::drive::Drive),
    Image(commands::image::Image),
    Volume(commands::volume::Volume),
    Snapshot(commands::snapshot::Snapshot),
    Fork(commands::fork::Fork),
    Schedule(commands::schedule::Schedule),
    Upgrade(commands::upgrade::Upgrade),
    Relay(commands::relay::Relay),
    Grade(commands::grade::Grade),
    Faults(commands::faults::Faults),
    Setup(commands::setup::Setup),
    #[cfg(target_os = "linux")]
    Agent(commands::agent::Agent),
    Witness(commands::witness::Witness),
}

#[cfg(test)]
mod tests;
