use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reveille_wire::{Birth, LocalHost};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::announce::{Announced, Announcement};
use crate::auth::{Key, Keys};
use crate::control::{self, Control, Record};
use crate::egress::Doors;
use crate::engine::{Engine, Isolation, LocalEngine, LocalEngineSettings};
use crate::error::{Error, ErrorKind};
use crate::gateway::Gateway;
use crate::observer::{Hub, Observation};
use crate::preview::{self, Previews};
use crate::sandbox::{Registry, Terms};
use crate::server::{self, AccessLog, Bounds, Front};
use crate::settings::{HostSettings, WhileWaking};
use crate::store::{Shelf, Store};

/// How long a host that leaves its sandboxes to the next one waits for answers at the least.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How often it looks whether there are any.
const LOOK: Duration = Duration::from_millis(20);

/// A host that serves sandboxes until it is stopped.
///
/// It needs a tokio runtime with more than one thread. Dropped instead of stopped it serves no more, but does
/// not wait for anything to end.
///
/// ```
/// use reveille_host::{AgentCommand, Host, HostSettings};
///
/// # let data = tempfile::tempdir()?;
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let agent = AgentCommand { program: std::env::current_exe()?, arguments: vec!["agent".into()] };
/// let mut settings = HostSettings::new(agent, data.path());
/// settings.listen = "127.0.0.1:0".parse()?;
/// let host = Host::start(settings).await?;
/// assert!(host.address().ip().is_loopback());
/// assert_eq!(host.local_host().api_url(), format!("{}/v0", host.url()));
/// host.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    keys: Arc<Keys>,
    workspace: String,
    control: Arc<Control>,
    serving: Option<JoinHandle<()>>,
    announcement: Option<Announcement>,
    /// Another host of this user, which its clients find.
    found_instead: Option<LocalHost>,
    stop: CancellationToken,
    drained: CancellationToken,
}

impl Host {
    /// Starts a host with sandboxes on this machine.
    ///
    /// # Errors
    /// When a setting makes no sense, the data directory cannot be used or is in use, the address cannot be
    /// listened on, or the engine does not start.
    pub async fn start(settings: HostSettings) -> Result<Self, Error> {
        settings.check()?;
        let listener = listen(settings.listen).await?;
        let mut store = open_store(&settings).await?;
        let memory = store.notebook();
        let records = store.shelf();
        let engine = LocalEngineSettings {
            lifetime: settings.lifetime,
            known: Some(control::names(&records)),
            sandboxes: store.directory().sandboxes(),
            drives: store.directory().drives(),
            volumes: store.directory().volumes(),
            images: store.directory().images(),
            snapshots: store.directory().snapshots(),
            give_back_after: settings.give_back_after,
            authority: store.directory().authority(),
            doors: listener.local_addr().ok().map(|address| Doors { address, is_door: preview::is_door }),
            ..LocalEngineSettings::new(settings.agent.clone(), store.directory().engine())
        };
        let engine = tokio::task::spawn_blocking(move || LocalEngine::start(engine, memory)).await;
        let engine = match engine {
            Ok(Ok(engine)) => engine,
            Ok(Err(error)) => {
                let message = format!("the engine did not start: {error}");
                return Err(Error::new(ErrorKind::Engine, message).with_source(error));
            }
            Err(error) => {
                return Err(Error::new(ErrorKind::Engine, "the engine broke off").with_source(error));
            }
        };
        Self::run(settings, engine, listener, store, records)
    }

    /// Starts a host with sandboxes on another engine.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_on(settings: HostSettings, engine: Arc<dyn Engine>) -> Result<Self, Error> {
        settings.check()?;
        let listener = listen(settings.listen).await?;
        let mut store = open_store(&settings).await?;
        let records = store.shelf();
        Self::run(settings, engine, listener, store, records)
    }

    fn run(
        mut settings: HostSettings,
        engine: Arc<dyn Engine>,
        listener: TcpListener,
        mut store: Store,
        records: Arc<Shelf<Record>>,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(|error| not_listening(settings.listen, error))?;
        let own = Key::given_or_kept(settings.key.take(), &store.directory().key())?;
        let keys = Arc::new(Keys { own, made: store.shelf(), clock: settings.clock.clone() });
        let stop = CancellationToken::new();
        let registry = Arc::new(Registry::default());
        let hub = Hub::new();
        let terms = Arc::new(Terms::new(engine, Arc::clone(&hub), &settings, stop.clone()));
        let control = Arc::new(Control {
            registry: Arc::clone(&registry),
            terms,
            records,
            previews: store.shelf(),
            drives: store.shelf(),
            volumes: store.shelf(),
            images: store.shelf(),
            snapshots: store.shelf(),
            store,
            keys: Arc::clone(&keys),
            started: settings.clock.now(),
            clock: settings.clock.clone(),
            workspace: settings.workspace.clone(),
            network: settings.network.clone(),
            allowance: settings.allowance(),
            keep_free: settings.keep_free,
            url: url(address),
            expiries: Notify::new(),
        });
        control.sweep_images();
        control::finish_deletes(&control);
        control::bring_back(&control);
        control::finish_snapshots(&control);
        tokio::spawn(control::expire(Arc::clone(&control)));
        tokio::spawn(watch_engine(Arc::clone(&control), stop.clone()));
        let access = settings.access_log.as_deref().map(AccessLog::open).transpose()?;
        let front = Front {
            hub: Arc::clone(&hub),
            queue: Arc::clone(&control.terms.queue),
            access,
            keys: Arc::clone(&keys),
            workspace: settings.workspace.clone(),
            gateway: Gateway::new(registry, Arc::clone(&keys), hub, &settings),
            control: control::routes(Arc::clone(&control)),
            previews: Previews {
                shelf: Arc::clone(&control.previews),
                clock: settings.clock.clone(),
                workspace: settings.workspace.clone(),
                keys: Arc::clone(&keys),
            },
            runtime: Handle::current(),
            is_stopping: AtomicBool::new(false),
        };
        let drained = CancellationToken::new();
        let bounds = Bounds {
            connections: server::connections(settings.limits.connections),
            head: settings.limits.head,
            drain: settings.limits.drain,
            drained: drained.clone(),
        };
        let serving = tokio::spawn(server::serve(listener, Arc::new(front), bounds, stop.clone()));
        let mut host = Self {
            address,
            keys,
            workspace: settings.workspace,
            control,
            serving: Some(serving),
            announcement: None,
            found_instead: None,
            stop,
            drained,
        };
        if let Some(path) = &settings.announce {
            match Announcement::make(path, host.local_host())? {
                Announced::Here(announcement) => host.announcement = Some(announcement),
                Announced::Elsewhere(other) => host.found_instead = Some(other),
            }
        }
        host.say_what_is_open(settings.while_waking);
        Ok(host)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.control.url.clone()
    }

    /// The API key that it wants.
    #[must_use]
    pub fn key(&self) -> &str {
        self.keys.own.as_str()
    }

    /// The workspace that its sandboxes are in.
    #[must_use]
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// What keeps its sandboxes apart, and how they sleep.
    #[must_use]
    pub fn isolation(&self) -> &Isolation {
        self.control.terms.engine.isolation()
    }

    /// What is true of its sandboxes and of the requests to them, and everything that happens from now on.
    ///
    /// ```
    /// use reveille_host::observer::{Seen, What};
    /// # use reveille_host::{AgentCommand, Host, HostSettings};
    ///
    /// async fn print_what_happens(host: &Host) {
    ///     let mut observation = host.observe();
    ///     for sandbox in &observation.snapshot.sandboxes {
    ///         println!("{} is {}", sandbox.name, sandbox.phase);
    ///     }
    ///     while let Some(seen) = observation.events.next().await {
    ///         match seen {
    ///             Seen::Event(event) => println!("{}: {:?}", event.sandbox, event.what),
    ///             Seen::Missed(events) => println!("{events} events were missed"),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn observe(&self) -> Observation {
        self.control.terms.hub.observe()
    }

    /// What a client needs to know of it.
    #[must_use]
    pub fn local_host(&self) -> LocalHost {
        LocalHost {
            url: self.url(),
            key: self.key().to_owned(),
            workspace: self.workspace.clone(),
            pid: std::process::id(),
            birth: Birth::of(std::process::id(), |path| std::fs::read_to_string(path)),
        }
    }

    /// The file by which clients of the same user find it, where they do.
    #[must_use]
    pub fn announced(&self) -> Option<&Path> {
        self.announcement.as_ref().map(Announcement::path)
    }

    /// What its operator should know, one line each: records that cannot be read, which are left as they are, and
    /// another host that clients find in its place.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.control.store.damaged().to_vec();
        if let Some(LocalHost { url, pid, .. }) = &self.found_instead {
            warnings.push(format!(
                "another host runs at {url} (process {pid}), and clients go on finding that one: point them here by hand"
            ));
        }
        warnings
    }

    /// Stops: takes no new requests, lets those in flight end for a bounded time, ends all sandboxes.
    ///
    /// Records and files stay. The next host on the same data directory has the same sandboxes, and starts
    /// each at its first request.
    pub async fn stop(self) {
        self.end(Leaving::Shutdown).await;
    }

    /// Stops, and leaves the sandboxes as they are for the next host on the same engine. Where the engine cannot
    /// do that they are ended, as by [`Host::stop`]. Streams are not waited for: who follows one goes on with the next
    /// host.
    pub async fn detach(self) {
        self.end(Leaving::Detach).await;
    }

    async fn end(mut self, leaving: Leaving) {
        self.announcement = None;
        self.stop.cancel();
        if leaving == Leaving::Detach {
            tokio::spawn(drain_answers(Arc::clone(&self.control), self.drained.clone()));
        }
        if let Some(serving) = self.serving.take()
            && serving.await.is_err()
        {
            tracing::warn!("the listener broke off");
        }
        let engine = &self.control.terms.engine;
        let is_detached = match leaving {
            Leaving::Shutdown => false,
            Leaving::Detach => match engine.detach().await {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "the sandboxes are ended");
                    false
                }
            },
        };
        if !is_detached {
            engine.shutdown().await;
        }
        for resident in self.control.registry.all() {
            self.control.remember(resident.name().as_str()).await;
        }
        self.control.store.close().await;
    }

    fn say_what_is_open(&self, while_waking: WhileWaking) {
        let (address, isolation) = (self.address, self.isolation());
        tracing::info!(%address, %isolation, ?while_waking, "the host serves");
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "other machines can reach the host; its API key is all that keeps them out");
        }
    }
}

/// Ends the time to drain when nobody waits for an answer any more.
async fn drain_answers(control: Arc<Control>, drained: CancellationToken) {
    // The control plane's own answers take no longer, mostly.
    tokio::time::sleep(LAST_ANSWERS).await;
    let waits = || {
        let residents = control.registry.all();
        control.terms.queue.load().requests > 0 || residents.iter().any(|resident| resident.unanswered() > 0)
    };
    while waits() {
        tokio::time::sleep(LOOK).await;
    }
    drained.cancel();
}

/// What becomes of the sandboxes when a host ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Shutdown,
    Detach,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| not_listening(address, error))
}

fn not_listening(address: SocketAddr, source: io::Error) -> Error {
    let message = match source.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address} is in use: is a host running already? stop it, or choose another address with --listen \
             (port 0 takes a free one)"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("{address} may not be listened on: choose a port from 1024 on with --listen")
        }
        _ => format!("cannot listen on {address} ({source}): choose another with --listen"),
    };
    Error::new(ErrorKind::Listen, message).with_source(source)
}

/// Where clients on this machine reach an address that is listened on.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

async fn open_store(settings: &HostSettings) -> Result<Store, Error> {
    let data = settings.data.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&data)).await;
    opened.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Data, "reading the data directory broke off").with_source(error))
    })
}

/// Hears of what nobody here asked for.
async fn watch_engine(control: Arc<Control>, stop: CancellationToken) {
    let mut changes = control.terms.engine.changes();
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) => {
                if let Some(resident) = control.registry.find(&change.name) {
                    tracing::info!(sandbox = %change.name, known = ?change.known, "it changed by itself");
                    resident.hear(&change.known);
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "changes of sandboxes were missed");
                control.registry.all().iter().for_each(crate::sandbox::Resident::doubt);
            }
            Err(RecvError::Closed) => return,
        }
    }
}
