use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::join_all;
use reveille_wire::{Birth, LocalHost};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::announce::{Announced, Announcement};
use crate::engine::{Engine, Isolation};
use crate::error::{Error, ErrorKind};
use crate::observer::Observation;
use crate::server::{self, AccessLog, Bounds, Front};
use crate::settings::{self, HostSettings, WhileWaking};
use crate::store::{files, unusable};
use crate::workspace::{Shared, Workspace};

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
    /// The first is the one that clients find who name none.
    workspaces: Arc<[Workspace]>,
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
    pub async fn start(mut settings: HostSettings) -> Result<Self, Error> {
        settings.check()?;
        let listener = listen(settings.listen).await?;
        let shared = Shared::of(&mut settings, &listener)?;
        let mut workspaces =
            vec![Workspace::on_this_machine(&settings, &settings.workspace, &settings.data, &shared).await?];
        let others = settings.data.join(OTHERS);
        for name in named(&settings, &others)? {
            files::make_private_directory(&others).map_err(|source| unusable(&others, source))?;
            workspaces
                .push(Workspace::on_this_machine(&settings, &name, &others.join(&name), &shared).await?);
        }
        Self::run(&settings, listener, shared, workspaces)
    }

    /// Starts a host with sandboxes on another engine.
    ///
    /// # Errors
    /// As [`Host::start`], and where there are to be further workspaces: each needs an engine of its own.
    pub async fn start_on(mut settings: HostSettings, engine: Arc<dyn Engine>) -> Result<Self, Error> {
        settings.check()?;
        if let Some(name) = settings.workspaces.first() {
            let message = format!("this host has one engine, and so no room for the workspace {name}");
            return Err(Error::new(ErrorKind::Settings, message));
        }
        let listener = listen(settings.listen).await?;
        let shared = Shared::of(&mut settings, &listener)?;
        let first = Workspace::on(&settings, &settings.workspace, &settings.data, engine, &shared).await?;
        Self::run(&settings, listener, shared, vec![first])
    }

    fn run(
        settings: &HostSettings,
        listener: TcpListener,
        shared: Shared,
        workspaces: Vec<Workspace>,
    ) -> Result<Self, Error> {
        let Shared { address, stop, queue, unless_started, .. } = shared;
        let workspaces: Arc<[Workspace]> = workspaces.into();
        let access = settings.access_log.as_deref().map(AccessLog::open).transpose()?;
        let front = Front {
            workspaces: Arc::clone(&workspaces),
            queue,
            access,
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
            workspaces,
            serving: Some(serving),
            announcement: None,
            found_instead: None,
            stop,
            drained,
        };
        // From now on it stops when it is dropped.
        unless_started.disarm();
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
        self.first().control.url.clone()
    }

    /// The API key that it wants.
    #[must_use]
    pub fn key(&self) -> &str {
        self.first().keys.own.as_str()
    }

    /// The workspace that clients find who name none.
    #[must_use]
    pub fn workspace(&self) -> &str {
        &self.first().name
    }

    /// All its workspaces, that one first.
    pub fn workspaces(&self) -> impl Iterator<Item = &str> {
        self.workspaces.iter().map(|workspace| &*workspace.name)
    }

    fn first(&self) -> &Workspace {
        &self.workspaces[0]
    }

    /// What keeps its sandboxes apart, and how they sleep.
    #[must_use]
    pub fn isolation(&self) -> &Isolation {
        self.first().control.terms.engine.isolation()
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
        self.first().hub.observe()
    }

    /// The same for one of its workspaces; none where it has none of that name.
    #[must_use]
    pub fn observe_workspace(&self, name: &str) -> Option<Observation> {
        self.workspaces
            .iter()
            .find(|workspace| workspace.name == name)
            .map(|workspace| workspace.hub.observe())
    }

    /// What a client needs to know of it.
    #[must_use]
    pub fn local_host(&self) -> LocalHost {
        LocalHost {
            url: self.url(),
            key: self.key().to_owned(),
            workspace: self.workspace().to_owned(),
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
        let damaged = self.workspaces.iter().flat_map(|workspace| workspace.control.store.damaged());
        let mut warnings: Vec<String> = damaged.cloned().collect();
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
            tokio::spawn(drain_answers(Arc::clone(&self.workspaces), self.drained.clone()));
        }
        if let Some(serving) = self.serving.take()
            && serving.await.is_err()
        {
            tracing::warn!("the listener broke off");
        }
        join_all(self.workspaces.iter().map(|workspace| workspace.end(leaving))).await;
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
async fn drain_answers(workspaces: Arc<[Workspace]>, drained: CancellationToken) {
    // The control plane's own answers take no longer, mostly.
    tokio::time::sleep(LAST_ANSWERS).await;
    while workspaces.iter().any(Workspace::has_unanswered) {
        tokio::time::sleep(LOOK).await;
    }
    drained.cancel();
}

/// Where the workspaces are that are not the first, in the data directory.
const OTHERS: &str = "workspaces";

/// The further workspaces: those that are asked for, and those that have been before.
fn named(settings: &HostSettings, others: &Path) -> Result<BTreeSet<String>, Error> {
    let mut names: BTreeSet<String> = settings.workspaces.iter().cloned().collect();
    match std::fs::read_dir(others) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(others, error)),
        Ok(entries) => {
            let found = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            names.extend(found.filter(|name| settings::can_be_workspace(name).is_ok()));
        }
    }
    if names.contains(&settings.workspace) {
        let message = format!(
            "{} is a further workspace of {}: choose another name for the first",
            settings.workspace,
            settings.data.display()
        );
        return Err(Error::new(ErrorKind::Settings, message));
    }
    Ok(names)
}

/// What becomes of the sandboxes when a host ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
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

pub(crate) fn not_listening(address: SocketAddr, source: io::Error) -> Error {
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
pub(crate) fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
