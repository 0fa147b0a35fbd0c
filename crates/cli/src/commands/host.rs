#[cfg(target_os = "linux")]
mod background;
#[cfg(target_os = "linux")]
mod replacing;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod stop;
#[cfg(target_os = "linux")]
mod unit;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::typed::{address, duration, megabytes};

/// Run sandboxes on this machine, until Ctrl-C or in the background
///
/// A sandbox is a directory and a tree of processes. It goes to standby when nothing happens in it, and any
/// request wakes it. The client commands of the same user find the host by themselves.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples
  reveille host -d                    (comes back once it listens)
  reveille host stop

To go over to a newer version, with everything that runs in the sandboxes
  reveille host -d --replace

To see what a client does while a sandbox wakes
  reveille host --while-waking reject --resume-delay 300ms --log"
)]
pub(crate) struct Host {
    #[command(subcommand)]
    what: Option<What>,
    /// Go on in the background, and come back once it listens; what it says goes to a file
    #[arg(long, short)]
    detach: bool,
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "REVEILLE_HOST_LISTEN", default_value = "127.0.0.1:7878", value_parser = address)]
    listen: SocketAddr,
    /// Where records, files and drives are kept [default: host in the user's state directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file with the API key that it wants, else REVEILLE_HOST_KEY holds it [default: key in the data directory]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How long a sandbox sleeps before it gives back what it can of its memory [default: it keeps it]
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    give_back_after: Option<Duration>,
    /// Serve this workspace, too, from now on: sandboxes, drives, volumes, images and keys of its own
    #[arg(long, value_name = "NAME")]
    add_workspace: Vec<String>,
    /// How long nothing may happen in a sandbox before it sleeps
    #[arg(long, value_name = "DUR", default_value = "15s", value_parser = duration::parse_positive)]
    standby_after: Duration,
    /// Which URL a preview says that it has
    #[arg(long, value_enum, default_value_t = Previews::Path)]
    previews_by: Previews,
    /// What becomes of requests while their sandbox wakes
    #[arg(long, value_enum, default_value_t = Waking::Hold)]
    while_waking: Waking,
    /// How long a request waits for its sandbox at the most
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = duration::parse_positive)]
    hold_for: Duration,
    /// How many requests wait at the most, for all sandboxes together
    #[arg(long, value_name = "N", default_value_t = 8192)]
    hold_at_most: usize,
    /// How they are refused, with --while-waking reject [default: 503]
    #[arg(long, value_enum)]
    reject_with: Option<Refusal>,
    /// How long waking takes at least
    #[arg(long, value_name = "DUR", default_value = "0ms", value_parser = duration::parse)]
    resume_delay: Duration,
    /// What sandboxes reach of the outside that do not say themselves
    #[arg(long, value_enum, default_value_t = Outside::Proxied)]
    network: Outside,
    /// How many processes a sandbox may have that does not say itself, threads among them
    #[arg(long, value_name = "N", default_value_t = 2048)]
    processes: u32,
    /// The longest file that a sandbox may write that does not say itself [default: as long as there is room]
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    max_file: Option<u64>,
    /// What the files of a new sandbox may take on the disk that does not say itself [default: what there is room for]
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    disk: Option<u64>,
    /// How much of the disk is kept free: below that no sandbox is made
    #[arg(long, value_name = "SIZE", value_parser = megabytes, default_value = "256m")]
    keep_free: u64,
    /// Add a line of JSON to FILE for each request, with its time and status; - is stdout
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Take the place of the host that has the data now; what runs in its sandboxes goes on
    #[arg(long, conflicts_with = "print_unit")]
    replace: bool,
    /// Print the unit by which systemd runs a host with these flags, and end
    #[arg(long, conflicts_with = "detach")]
    print_unit: bool,
    /// Show what happens: every request and what became of it, every waking and falling asleep
    #[arg(long)]
    log: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// End the host that runs, and every process of every sandbox; files and drives stay
    Stop(Stop),
    /// Say whether a host runs, and where
    Status,
}

#[derive(Clone, Copy, Debug, Args)]
struct Stop {
    /// End the host only: what runs in the sandboxes goes on, and the next host on the same data takes it over
    #[arg(long)]
    leave_running: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Previews {
    /// One below the host's address, which every program finds
    Path,
    /// One by a name of its own, ID.preview.localhost, which browsers find, and programs where the system does
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Waking {
    /// They wait
    Hold,
    /// They are refused
    Reject,
    /// Their connection is reset
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Outside {
    /// The internet, through a proxy that their programs are told of; not this machine, nor its neighbours
    Proxied,
    /// Nothing but themselves
    None,
    /// What this machine reaches, and this machine: they have no network of their own
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Refusal {
    /// 503 with Retry-After
    #[value(name = "503")]
    Unavailable,
    /// The platform's 404
    #[value(name = "404")]
    NotFound,
    /// The same, with the proof that it was not dispatched
    #[value(name = "404-not-dispatched")]
    NotDispatched,
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn run(
    _screen: &crate::output::Screen,
    _global: &crate::arguments::Global,
    _asked: &Host,
) -> Result<crate::report::Exit, crate::report::Failure> {
    Err(crate::report::Failure::new(super::LINUX_ONLY))
}

#[cfg(target_os = "linux")]
pub(crate) use here::run;

#[cfg(target_os = "linux")]
mod here {
    use std::env::VarError;
    use std::fs::DirBuilder;
    use std::io::Write as _;
    use std::os::unix::fs::DirBuilderExt as _;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use reveille_host::engine::Network;
    use reveille_host::observer::{Events, Seen};
    use reveille_host::{
        Error, Host as Running, HostSettings, Lifetime, LocalHost, PreviewUrls, Refuse, WhileWaking,
        state_dir,
    };

    use super::background::{self, Background};
    use super::{Host, Outside, Previews, Refusal, Waking, What, replacing, status, stop, unit};
    use crate::arguments::Global;
    use crate::interrupt::{asked_to_end, asked_to_let_go};
    use crate::output::Screen;
    use crate::program;
    use crate::report::{Exit, Failure};
    use crate::runtime::run_to_end;

    /// How long the last lines of the log may take.
    const LAST_LINES: Duration = Duration::from_secs(1);

    pub(crate) fn run(screen: &Screen, global: &Global, asked: &Host) -> Result<Exit, Failure> {
        match asked.what {
            Some(What::Stop(how)) => stop::run(screen, how),
            Some(What::Status) => status::run(screen),
            None if asked.print_unit => print_unit(global, asked),
            None if asked.detach && !background::is_here() => background::start(),
            None => serve(screen, global, asked),
        }
    }

    fn print_unit(global: &Global, asked: &Host) -> Result<Exit, Failure> {
        // Flags that make no sense are refused now and not by systemd.
        let settings = settings(global, asked)?;
        let mut flags = unit::flags(std::env::args_os())?;
        for (flag, value) in [("--data", Some(settings.data)), ("--key-file", asked.key_file.clone())] {
            let Some(value) = value else { continue };
            let value = std::path::absolute(&value).unwrap_or(value);
            let value = value.into_os_string().into_string();
            let value = value.map_err(|_| Failure::usage("a unit can hold text only"))?;
            unit::set(&mut flags, flag, value);
        }
        if std::env::var_os("REVEILLE_HOST_LISTEN").is_some() {
            unit::set(&mut flags, "--listen", asked.listen.to_string());
        }
        if let Some(workspace) = &global.workspace {
            unit::set(&mut flags, "--workspace", workspace.clone());
        }
        let environment: Vec<_> = ["XDG_STATE_HOME", "HOME"]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var(name).ok()?)))
            .collect();
        let is_root = rustix::process::geteuid().is_root();
        let whose = if is_root { unit::Whose::Machines } else { unit::Whose::Users };
        let unit = unit::Unit { whose, program: &program::path()?, flags: &flags, environment: &environment };
        std::io::stdout().write_all(unit.text().as_bytes())?;
        Ok(Exit::Done)
    }

    fn serve(screen: &Screen, global: &Global, asked: &Host) -> Result<Exit, Failure> {
        let settings = settings(global, asked)?;
        let log = asked.log;
        let data = settings.data.clone();
        let standby_after = settings.standby_after;
        let background = asked.detach.then(|| Background::enter(&data)).transpose()?;
        crate::logging::begin();
        run_to_end(async {
            let (ended, let_go) = (asked_to_end()?, asked_to_let_go()?);
            if asked.replace {
                replacing::let_go_of(&data).await?;
            }
            let host = Running::start(settings).await.map_err(|error| refused(&error))?;
            for warning in host.warnings() {
                screen.warning(warning);
            }
            let told = screen.host_runs(&host, &data, standby_after);
            match background {
                Some(background) => {
                    // It goes on whether or not somebody reads this to its end: what runs in its sandboxes hangs on it.
                    drop(told);
                    screen.host_stays(background.log());
                    background.settle()?;
                }
                None => {
                    told?;
                    screen.host_ends_with_ctrl_c();
                }
            }
            let log = log.then(|| tokio::spawn(tell_of_all(*screen, &host)));
            let sandboxes = tokio::select! {
                () = ended => Sandboxes::Stopped,
                () = let_go => Sandboxes::LeftRunning,
            };
            match sandboxes {
                Sandboxes::Stopped => host.stop().await,
                Sandboxes::LeftRunning => host.detach().await,
            }
            if let Some(log) = log {
                // The last requests have ended with the host; a reader that has stopped does not keep it.
                drop(tokio::time::timeout(LAST_LINES, log).await);
            }
            let data = data.display();
            match sandboxes {
                Sandboxes::Stopped => screen.note(format_args!(
                    "stopped, with every process of every sandbox; their files and the drives stay in {data}"
                )),
                Sandboxes::LeftRunning => screen.note(format_args!(
                    "stopped; what runs in the sandboxes goes on, for the next host on {data}"
                )),
            }
            Ok(Exit::Done)
        })
    }

    /// What becomes of what runs in sandboxes when their host ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Sandboxes {
        Stopped,
        LeftRunning,
    }

    /// Shows what happens in all workspaces until nothing does any more.
    fn tell_of_all(screen: Screen, host: &Running) -> impl Future<Output = ()> + use<> {
        let is_one = host.workspaces().count() == 1;
        let all: Vec<_> = host
            .workspaces()
            .filter_map(|name| {
                let events = host.observe_workspace(name)?.events;
                Some(tell(screen, (!is_one).then(|| name.to_owned()), events))
            })
            .collect();
        async move { drop(futures_util::future::join_all(all).await) }
    }

    /// Shows what happens until nothing does any more; with the workspace, where there are several.
    async fn tell(screen: Screen, workspace: Option<String>, mut events: Events) {
        while let Some(seen) = events.next().await {
            // A log that nobody reads any more is no reason to stop the host.
            drop(match seen {
                Seen::Event(event) => screen.happened(workspace.as_deref(), &event),
                Seen::Missed(count) => screen.missed(count),
                _ => Ok(()),
            });
        }
    }

    fn settings(global: &Global, asked: &Host) -> Result<HostSettings, Failure> {
        let state = state_dir(|name| std::env::var_os(name));
        let data = match (&asked.data, &state) {
            (Some(data), _) => data.clone(),
            (None, Some(state)) => in_state(state)?,
            (None, None) => {
                let none = "there is no state directory, as neither XDG_STATE_HOME nor HOME is set";
                return Err(Failure::new(none).next("choose one with --data"));
            }
        };
        let mut settings = HostSettings::new(program::agent()?, std::path::absolute(&data).unwrap_or(data));
        settings.listen = asked.listen;
        settings.lifetime = Lifetime::BeyondTheHost;
        settings.key = key(asked)?;
        if let Some(workspace) = &global.workspace {
            settings.workspace.clone_from(workspace);
        }
        settings.network = match asked.network {
            Outside::Proxied => Network::default(),
            Outside::None => Network::None,
            Outside::Host => Network::Machine,
        };
        settings.processes = asked.processes;
        settings.max_file = asked.max_file;
        settings.disk = asked.disk;
        settings.give_back_after = asked.give_back_after;
        settings.keep_free = asked.keep_free;
        settings.access_log.clone_from(&asked.access_log);
        settings.workspaces.clone_from(&asked.add_workspace);
        settings.standby_after = asked.standby_after;
        settings.resume_delay = asked.resume_delay;
        settings.while_waking = while_waking(asked)?;
        settings.preview_urls = match asked.previews_by {
            Previews::Path => PreviewUrls::ByPath,
            Previews::Name => PreviewUrls::ByName,
        };
        settings.limits.hold = asked.hold_for;
        settings.limits.held_in_all = asked.hold_at_most;
        settings.announce = state.map(|state| state.join(LocalHost::FILE));
        Ok(settings)
    }

    /// The key, which never stands in the list of processes.
    fn key(asked: &Host) -> Result<Option<String>, Failure> {
        let Some(file) = &asked.key_file else {
            return match std::env::var("REVEILLE_HOST_KEY") {
                Ok(key) => Ok(Some(key)),
                Err(VarError::NotPresent) => Ok(None),
                Err(VarError::NotUnicode(_)) => Err(Failure::usage("REVEILLE_HOST_KEY holds no key")),
            };
        };
        let text = std::fs::read_to_string(file).map_err(|error| Failure::io(file.display(), &error))?;
        Ok(Some(text.trim_ascii().to_owned()))
    }

    /// The data directory in the user's state directory, which is made where it is missing.
    fn in_state(state: &Path) -> Result<PathBuf, Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.map_err(|error| Failure::io(state.display(), &error))?;
        Ok(state.join("host"))
    }

    fn while_waking(asked: &Host) -> Result<WhileWaking, Failure> {
        match (asked.while_waking, asked.reject_with) {
            (Waking::Hold, None) => Ok(WhileWaking::Hold),
            (Waking::Reset, None) => Ok(WhileWaking::Reset),
            (Waking::Reject, None | Some(Refusal::Unavailable)) => Ok(WhileWaking::Reject(Refuse::Status503)),
            (Waking::Reject, Some(Refusal::NotFound)) => Ok(WhileWaking::Reject(Refuse::Status404)),
            (Waking::Reject, Some(Refusal::NotDispatched)) => {
                Ok(WhileWaking::Reject(Refuse::Status404NotDispatched))
            }
            (Waking::Hold | Waking::Reset, Some(_)) => {
                Err(Failure::usage("--reject-with says how requests are refused, and none is")
                    .next("add --while-waking reject"))
            }
        }
    }

    fn refused(error: &Error) -> Failure {
        Failure::new(error.to_string())
    }
}
