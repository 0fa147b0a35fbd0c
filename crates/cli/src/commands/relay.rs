use std::net::SocketAddr;

use clap::Args;
use reveille::SandboxName;
use reveille_relay::{Credentials, ErrorKind, Passages, Relay as Running, RelaySettings, Seen};

use crate::arguments::Global;
use crate::connection;
use crate::interrupt::asked_to_end;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::run_to_end;
use crate::typed::address;

/// Stand between any client and a platform, so that the client survives the waking of a sandbox
///
/// Reads survive it, a mutation wakes its sandbox first and is sent once, all clients share one probe. Everything else
/// passes unchanged, with the credentials that the client sends. What was done stands in a header of each answer
/// (Reveille-Attempts). It prints what to export.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille relay box                  (prints BL_API_URL, BL_RUN_URL and BL_SANDBOX_BOX_URL)
  reveille relay --to http://127.0.0.1:7878 --log
  reveille relay --auth               (in the name of the settings: the client needs no key of its own)")]
pub(crate) struct Relay {
    /// Sandboxes of which the URL is printed, too, for clients that have one for each
    #[arg(value_name = "SANDBOX")]
    sandboxes: Vec<String>,
    /// One URL for both planes of a platform, as a local host has, instead of those in the settings
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "REVEILLE_RELAY_LISTEN", default_value = "127.0.0.1:7879", value_parser = address)]
    listen: SocketAddr,
    /// Show every request: what was done for it, how long it took, the bytes both ways
    #[arg(long)]
    log: bool,
}

pub(crate) fn run(screen: &Screen, global: &Global, asked: &Relay) -> Result<Exit, Failure> {
    let names: Result<Vec<_>, _> =
        asked.sandboxes.iter().map(|name| SandboxName::new(name.as_str())).collect();
    let names = names.map_err(|invalid| Failure::usage(invalid.to_string()))?;
    let to = asked.to.as_ref().or(global.host.as_ref());
    let mut settings = RelaySettings::new(connection::to(to.map(|url| url.trim_end_matches('/')), global)?);
    settings.listen = asked.listen;
    settings.credentials = if global.auth { Credentials::Ours } else { Credentials::Theirs };
    crate::logging::begin();
    run_to_end(async {
        let ended = asked_to_end()?;
        let relay = Running::start(settings).map_err(|error| refused(&error))?;
        for warning in relay.client().warnings() {
            screen.warning(warning);
        }
        let workspace = relay.client().workspace();
        if !names.is_empty() && workspace.is_none() {
            return Err(Failure::usage("the URL of a sandbox has the workspace in it, and none is set")
                .next("name it with --workspace or BL_WORKSPACE"));
        }
        screen.relay_begins(&relay, workspace.unwrap_or_default(), &names)?;
        let log = asked.log.then(|| tokio::spawn(tell(*screen, relay.passages())));
        ended.await;
        screen.note("stopping when what is under way has ended");
        relay.stop().await;
        if let Some(log) = log {
            // It ends with the relay, or with a reader that has stopped.
            drop(log.await);
        }
        Ok(Exit::Done)
    })
}

/// Shows what passes until nothing does any more.
async fn tell(screen: Screen, mut passages: Passages) {
    while let Some(seen) = passages.next().await {
        // A log that nobody reads any more is no reason to stop the relay.
        drop(match seen {
            Seen::Passage(passage) => screen.passed(&passage),
            Seen::Missed(count) => screen.missed(count),
            _ => Ok(()),
        });
    }
}

fn refused(error: &reveille_relay::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error.kind() {
        ErrorKind::Listen => failure.next("choose another with --listen; 127.0.0.1:0 takes a free port"),
        _ => failure,
    }
}
