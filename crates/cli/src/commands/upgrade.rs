use std::time::Duration;

use clap::Args;
use reveille::{Health, UpgradeState};

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Asked, Exit, Failure, Request, duration};

/// How long an upgrade may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked how it goes.
const LOOK: Duration = Duration::from_millis(50);

/// Move a sandbox to the newest agent; its processes, logs and files stay
///
/// The platform begins it and answers at once; reveille then asks until it is over.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// The version to go to; the latest when missing
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Come back once it has begun
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Upgrade) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("POST", "/upgrade"));
    let call = connection.sandbox(&asked.sandbox).system().upgrade();
    let call = match &asked.to {
        Some(version) => call.version(version),
        None => call,
    };
    let (accepted, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    if asked.no_wait {
        screen.upgrading(&asked.sandbox, &accepted, &history)?;
        return Ok(Exit::Done);
    }
    let health = tokio::time::timeout(PATIENCE, over(connection, asked)).await.map_err(|_| {
        Failure::new(format!("the upgrade has begun, and is not over after {}", duration(PATIENCE)))
            .next(format!("how it goes: reveille health {}", asked.sandbox))
    })??;
    if health.last_upgrade.status == UpgradeState::Failed {
        let why = health.last_upgrade.error.as_deref().unwrap_or("nothing is said of it");
        return Err(Failure::new(format!("the upgrade failed: {why}")).mind("the agent runs on as it was"));
    }
    screen.upgraded(&accepted, &health, &history)?;
    Ok(Exit::Done)
}

/// Asks until the upgrade that was accepted has come to an end, and says how the agent is then.
async fn over(connection: &Connection, asked: &Upgrade) -> Result<Health, Failure> {
    let asking: Asked = connection.asking(&asked.sandbox, Request::new("GET", "/health"));
    loop {
        let health = connection.sandbox(&asked.sandbox).system().health().await;
        let health = health.map_err(|error| asking.failed(&error))?;
        if matches!(health.last_upgrade.status, UpgradeState::Completed | UpgradeState::Failed) {
            return Ok(health);
        }
        tokio::time::sleep(LOOK).await;
    }
}
