//! The real sandbox against which a client is graded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use reveille::Client;
use reveille_grade::{Arrivals, Arrived};
use reveille_host::engine::Namespaces;
use reveille_host::{Host, HostSettings, Refuse, WhileWaking};
use tempfile::TempDir;

use crate::passages::{Passage, Passages};
use crate::program;
use crate::report::Failure;

/// How long the gateway refuses after the first request.
const WINDOW: Duration = Duration::from_millis(500);
/// What a command finds in its environment.
const KEY: &str = "grade";
const WORKSPACE: &str = "acme";
const NAME: &str = "box";
/// The port of the app.
const PORT: u16 = 3_000;

/// A host with one sandbox, which sleeps when it is told to.
#[derive(Debug)]
pub(super) struct Sleeper {
    url: String,
    client: Client,
    passages: Mutex<Passages>,
    host: Mutex<Option<Host>>,
    _place: TempDir,
}

impl Sleeper {
    /// Starts the host, makes the sandbox, and starts an app in it.
    ///
    /// # Errors
    /// When this machine has no such sandboxes.
    pub(super) async fn start() -> Result<Arc<Self>, Failure> {
        let failed = |error: std::io::Error| Failure::io("there is no temporary directory", &error);
        let place = TempDir::with_prefix("reveille-grade-").map_err(failed)?;
        let mut settings = HostSettings::new(program::agent()?, place.path().join("host"));
        settings.listen = ([127, 0, 0, 1], 0).into();
        settings.key = Some(KEY.to_owned());
        WORKSPACE.clone_into(&mut settings.workspace);
        settings.while_waking = WhileWaking::Reject(Refuse::Status503);
        settings.resume_delay = WINDOW;
        settings.standby_after = Duration::from_secs(3_600);
        let host = Host::start(settings).await.map_err(|error| Failure::new(error.to_string()))?;
        if host.isolation().namespaces != Namespaces::All {
            host.stop().await;
            return Err(Failure::new("its port would be one of the machine's: reveille doctor"));
        }
        let url = host.url();
        let client = Client::builder().api_key(KEY).workspace(WORKSPACE).no_probe();
        let client = client.api_url(format!("{url}/v0")).run_url(&url).build().map_err(unable)?;
        let passages = Mutex::new(Passages::of(&host));
        let sleeper = Self { url, client, passages, host: Mutex::new(Some(host)), _place: place };
        match sleeper.furnish().await {
            Ok(()) => Ok(Arc::new(sleeper)),
            Err(failure) => {
                sleeper.end().await;
                Err(failure)
            }
        }
    }

    async fn furnish(&self) -> Result<(), Failure> {
        self.client.sandboxes().create(NAME).await.map_err(unable)?;
        let sandbox = self.client.sandbox(NAME);
        sandbox.drives().mount("data", "/mnt/data").await.map_err(unable)?;
        sandbox.processes().exec(program::witness(PORT)?).name("app").start().await.map_err(unable)?;
        // A read that nobody listens to yet is sent again.
        let page = sandbox.network().fetch(PORT, "/page").await.map_err(unable)?;
        page.error_for_status().map(drop).map_err(unable)
    }

    /// Ends the host and removes what it kept.
    pub(super) async fn end(&self) {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(host) = host {
            host.stop().await;
        }
    }
}

impl reveille_grade::Sleeper for Sleeper {
    fn nap(&self) -> BoxFuture<'_, Result<String, String>> {
        async move {
            self.client.sandboxes().sleep(NAME).await.map_err(|error| error.to_string())?;
            drop(self.arrived());
            Ok(self.url.clone())
        }
        .boxed()
    }

    fn arrived(&self) -> Arrivals {
        let passed = self.passages.lock().unwrap_or_else(PoisonError::into_inner).passed();
        let arrived = |passage: Passage| Arrived {
            method: passage.method,
            path: passage.path,
            is_inside: passage.inside > 0,
        };
        Arrivals { requests: passed.requests.into_iter().map(arrived).collect(), missed: passed.missed }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unable(error: reveille::Error) -> Failure {
    Failure::new(error.to_string())
}
