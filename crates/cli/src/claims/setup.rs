use std::time::Duration;

use reveille::{Client, RetryPolicy, Sandbox};
use reveille_host::{Host, HostSettings, Refuse, WhileWaking};
use tempfile::TempDir;

use crate::passages::{Passages, Passed};
use crate::program;
use crate::report::Failure;
use crate::witness::Ledger;

/// How long the gateway refuses everything after the first request to a sleeping sandbox.
pub(crate) const WINDOW: Duration = Duration::from_millis(300);
/// How long a nap is at least, so that it can be told from a slow machine.
const NAP: Duration = Duration::from_millis(120);
/// The name of the sandbox.
pub(crate) const NAME: &str = "box";
/// How long the server inside may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host, a sandbox and a server in it, and somebody who sees what passes the gateway.
pub(crate) struct Setup {
    host: Host,
    directory: TempDir,
    /// One that sends nothing but what it is asked for.
    plain: Client,
    /// One as it is by default, which looks before it sends a mutation.
    looking: Client,
    port: u16,
    passages: Passages,
}

/// Whether a client looks before it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looking {
    /// It sends nothing but what it is asked for.
    Never,
    /// As it is by default.
    AsUsual,
}

impl Setup {
    pub(crate) async fn build() -> Result<Self, Failure> {
        let directory = TempDir::with_prefix("reveille-try-")
            .map_err(|error| Failure::io("there is no temporary directory", &error))?;
        let mut settings = HostSettings::new(program::agent()?, directory.path().join("host"));
        settings.listen = ([127, 0, 0, 1], 0).into();
        settings.while_waking = WhileWaking::Reject(Refuse::Status503);
        settings.resume_delay = WINDOW;
        // It sleeps when it is told to.
        settings.standby_after = Duration::from_secs(3_600);
        let host = Host::start(settings).await.map_err(|error| Failure::new(error.to_string()))?;
        let settings = || {
            Client::builder()
                .local_host(host.local_host())
                .workspace(host.workspace())
                .retry(RetryPolicy::new())
        };
        let plain = settings().no_probe().build().map_err(unable)?;
        let looking = settings().build().map_err(unable)?;
        let passages = Passages::of(&host);
        let mut setup = Self { host, directory, plain, looking, port: 0, passages };
        match setup.furnish().await {
            Ok(()) => Ok(setup),
            Err(failure) => {
                setup.take_down().await;
                Err(failure)
            }
        }
    }

    /// Makes the sandbox and starts the server in it.
    async fn furnish(&mut self) -> Result<(), Failure> {
        self.plain.sandboxes().create(NAME).await.map_err(unable)?;
        let command = program::witness(0)?;
        let processes = self.sandbox(Looking::Never).processes();
        processes.exec(command).name("server").start().await.map_err(unable)?;
        let told = tokio::time::timeout(PATIENCE, async {
            loop {
                let logs = processes.logs("server").await.map_err(unable)?;
                let port =
                    logs.stdout.lines().find_map(|line: &str| line.rsplit_once(':')?.1.trim().parse().ok());
                match port {
                    Some(port) => return Ok::<u16, Failure>(port),
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let silent = |_| {
            Failure::new(format!("the server inside the sandbox did not start in {} s", PATIENCE.as_secs()))
        };
        self.port = told.await.map_err(silent)??;
        Ok(())
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the drive is mounted: the sandbox sees the files of the machine, so that it is a place of its own.
    pub(crate) fn mount_path(&self) -> String {
        self.directory.path().join("mounted").display().to_string()
    }

    pub(crate) fn sandbox(&self, looking: Looking) -> Sandbox {
        match looking {
            Looking::Never => self.plain.sandbox(NAME),
            Looking::AsUsual => self.looking.sandbox(NAME),
        }
    }

    /// Puts the sandbox to standby, and leaves it there for a moment.
    pub(crate) async fn nap(&self) -> Result<(), Failure> {
        // Through the client that has to know of it.
        self.looking.sandboxes().sleep(NAME).await.map_err(unable)?;
        tokio::time::sleep(NAP).await;
        Ok(())
    }

    /// Wakes the sandbox; ends when it is awake.
    pub(crate) async fn rouse(&self) -> Result<(), Failure> {
        self.plain.sandboxes().wake(NAME).await.map(drop).map_err(unable)
    }

    /// Waits until the next agent is the one that answers.
    pub(crate) async fn upgraded(&self) -> Result<(), Failure> {
        let done = async {
            while self.sandbox(Looking::Never).system().health().await.map_err(unable)?.upgrade_count == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let late = |_| {
            Failure::new(format!("the upgrade that was accepted did not come in {} s", PATIENCE.as_secs()))
        };
        tokio::time::timeout(PATIENCE, done).await.map_err(late)?
    }

    /// What the server says that it has seen.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Failure> {
        let answer =
            self.sandbox(Looking::Never).network().fetch(self.port, "/ledger").await.map_err(unable)?;
        answer.json().map_err(unable)
    }

    /// What passed the gateway since this was last asked.
    pub(crate) fn passed(&mut self) -> Passed {
        self.passages.passed()
    }

    /// Ends everything and removes it.
    pub(crate) async fn take_down(self) {
        self.host.stop().await;
        // What cannot be removed is in the system's temporary directory.
        drop(self.directory.close());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unable(error: reveille::Error) -> Failure {
    Failure::new(error.to_string())
}
