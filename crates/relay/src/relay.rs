use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reveille::Client;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crossing::Crossing;
use crate::error::{Error, ErrorKind};
use crate::loops::{Name, leads_to};
use crate::passage::{Passages, Teller};
use crate::settings::{Credentials, RelaySettings};
use crate::{files, listener};

/// How long an exchange may be silent: that is the matter of whoever waits for it, and a peer that has gone is noticed
/// by the connection.
const SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A relay that passes requests on until it is stopped.
///
/// It listens on the tokio runtime that it is started on, and serves connections on threads of its own. Dropped instead
/// of stopped it passes nothing more, but does not wait for anything to end.
///
/// ```
/// use reveille::Client;
/// use reveille_relay::{Relay, RelaySettings};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let platform = Client::builder().api_url("http://127.0.0.1:7878/v0").run_url("http://127.0.0.1:7878");
/// let mut settings = RelaySettings::new(platform);
/// settings.listen = "127.0.0.1:0".parse()?;
/// let relay = Relay::start(settings)?;
/// println!("export BL_API_URL={} BL_RUN_URL={}", relay.api_url(), relay.url());
/// relay.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    client: Client,
    teller: Teller,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts to listen, on the tokio runtime that this is called on.
    ///
    /// # Errors
    /// When the address is taken, a setting makes no sense, or the platform in the settings is this relay.
    pub fn start(settings: RelaySettings) -> Result<Self, Error> {
        let RelaySettings { client, listen, credentials, connections, exchanges, drain } = settings;
        if credentials == Credentials::Ours && !listen.ip().is_loopback() {
            let message = format!(
                "at {listen} anybody could use the credentials: listen on 127.0.0.1, or without them"
            );
            return Err(Error::new(ErrorKind::Settings, message));
        }
        let client = client.read_timeout(SILENCE).build();
        let client =
            client.map_err(|error| Error::new(ErrorKind::Settings, error.to_string()).with_source(error))?;
        let (listener, address) = bind(listen)?;
        for url in [client.api_url(), client.run_url()] {
            if leads_to(url, address) {
                let message = format!(
                    "{url} is this relay itself: name the platform with --to, or start it without BL_API_URL and \
                     BL_RUN_URL in its environment"
                );
                return Err(Error::new(ErrorKind::Loop, message));
            }
        }
        let (teller, stop) = (Teller::new(), CancellationToken::new());
        let crossing = Arc::new(Crossing {
            client: client.clone(),
            name: Name::new(),
            credentials,
            exchanges: Arc::new(Semaphore::new(exchanges.clamp(1, Semaphore::MAX_PERMITS))),
            teller: teller.clone(),
            tunnels: TaskTracker::new(),
            stop: stop.clone(),
            cut: CancellationToken::new(),
        });
        let connections = files::connections(connections.min(Semaphore::MAX_PERMITS));
        let serving = tokio::spawn(listener::serve(listener, crossing, connections, drain));
        Ok(Self { address, client, teller, stop, serving: Some(serving) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands for the platform's `run_url`: `http://127.0.0.1:7879`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What stands for the platform's `api_url`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/v0", self.url())
    }

    /// Where a sandbox answers, for clients that have a URL for one sandbox only.
    #[must_use]
    pub fn sandbox_url(&self, workspace: &str, sandbox: &str) -> String {
        format!("{}/{workspace}/sandboxes/{sandbox}", self.url())
    }

    /// What leads to the platform.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What is told of every request from now on.
    #[must_use]
    pub fn passages(&self) -> Passages {
        self.teller.listen()
    }

    /// Stops: takes nothing new, and ends when what is under way has ended, or the time for that is over.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            // It ends in no other way.
            let _ = serving.await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source: std::io::Error| {
        let message = format!("{listen} cannot be listened on: {source}");
        Error::new(ErrorKind::Listen, message).with_source(source)
    };
    let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((TcpListener::from_std(listener).map_err(failed)?, address))
}
