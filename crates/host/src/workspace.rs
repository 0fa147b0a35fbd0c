//! A workspace: sandboxes, drives, volumes, images, snapshots and keys that no other workspace has or sees.
//!
//! Each has a data directory, a store and an engine of its own, so that nothing of one can be mistaken for something of
//! another. What they share is the listener, the bounds of what waits, and the host's own key.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::auth::{Key, Keys};
use crate::control::{self, Control, Record};
use crate::egress::Doors;
use crate::engine::{Engine, LocalEngine, LocalEngineSettings};
use crate::error::{Error, ErrorKind};
use crate::gateway::Gateway;
use crate::host::{Leaving, not_listening, url};
use crate::observer::Hub;
use crate::preview::{self, Previews};
use crate::sandbox::{Load, Queue, Registry, Resident, Terms};
use crate::settings::HostSettings;
use crate::store::{Shelf, Store};

/// What the workspaces of a host have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) queue: Arc<Queue>,
    /// The host's own key, where it was given.
    key: Option<String>,
    /// Stops what was begun where the host does not come to be.
    pub(crate) unless_started: DropGuard,
}

impl Shared {
    pub(crate) fn of(settings: &mut HostSettings, listener: &TcpListener) -> Result<Self, Error> {
        let limits = &settings.limits;
        let stop = CancellationToken::new();
        Ok(Self {
            unless_started: stop.clone().drop_guard(),
            address: listener.local_addr().map_err(|error| not_listening(settings.listen, error))?,
            stop,
            queue: Queue::new(Load { requests: limits.held_in_all, bytes: limits.held_bytes }),
            key: settings.key.take(),
        })
    }

    /// The host's own key, which opens every workspace.
    fn own_key(&self, settings: &HostSettings) -> Result<Key, Error> {
        Key::given_or_kept(self.key.clone(), &settings.data.join("key"))
    }
}

/// One workspace of a host.
pub(crate) struct Workspace {
    pub(crate) name: String,
    pub(crate) keys: Arc<Keys>,
    pub(crate) control: Arc<Control>,
    pub(crate) routes: Router,
    pub(crate) gateway: Gateway,
    pub(crate) previews: Previews,
    /// What carries out its schedules.
    schedules: TaskTracker,
    pub(crate) hub: Arc<Hub>,
}

impl Workspace {
    /// Opens one with sandboxes on this machine.
    pub(crate) async fn on_this_machine(
        settings: &HostSettings,
        name: &str,
        data: &Path,
        shared: &Shared,
    ) -> Result<Self, Error> {
        let mut store = open_store(data).await?;
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
            doors: Some(Doors { address: shared.address, is_door: preview::is_door }),
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
        Self::of(settings, name, engine, store, records, shared)
    }

    /// Opens one with sandboxes on another engine.
    pub(crate) async fn on(
        settings: &HostSettings,
        name: &str,
        data: &Path,
        engine: Arc<dyn Engine>,
        shared: &Shared,
    ) -> Result<Self, Error> {
        let mut store = open_store(data).await?;
        let records = store.shelf();
        Self::of(settings, name, engine, store, records, shared)
    }

    fn of(
        settings: &HostSettings,
        name: &str,
        engine: Arc<dyn Engine>,
        mut store: Store,
        records: Arc<Shelf<Record>>,
        shared: &Shared,
    ) -> Result<Self, Error> {
        let own = shared.own_key(settings)?;
        let keys = Arc::new(Keys { own, made: store.shelf(), clock: settings.clock.clone() });
        let registry = Arc::new(Registry::default());
        let hub = Hub::new();
        let queue = Arc::clone(&shared.queue);
        let terms = Arc::new(Terms::new(engine, Arc::clone(&hub), queue, settings, shared.stop.clone()));
        let control = Arc::new(Control {
            registry: Arc::clone(&registry),
            terms,
            records,
            previews: store.shelf(),
            schedules: store.shelf(),
            executions: store.shelf(),
            drives: store.shelf(),
            volumes: store.shelf(),
            images: store.shelf(),
            snapshots: store.shelf(),
            store,
            keys: Arc::clone(&keys),
            started: settings.clock.now(),
            clock: settings.clock.clone(),
            workspace: name.to_owned(),
            network: settings.network.clone(),
            allowance: settings.allowance(),
            keep_free: settings.keep_free,
            url: url(shared.address),
            preview_urls: settings.preview_urls,
            expiries: Notify::new(),
            schedules_changed: Notify::new(),
        });
        control.sweep_images();
        control::finish_deletes(&control);
        control::finish_sizes(&control);
        control::bring_back(&control);
        control::finish_snapshots(&control);
        tokio::spawn(control::expire(Arc::clone(&control)));
        let schedules = TaskTracker::new();
        schedules.spawn(control::carry_out_schedules(Arc::clone(&control)));
        schedules.close();
        tokio::spawn(watch_engine(Arc::clone(&control), shared.stop.clone()));
        let previews = Previews {
            shelf: Arc::clone(&control.previews),
            clock: settings.clock.clone(),
            workspace: name.to_owned(),
            keys: Arc::clone(&keys),
        };
        Ok(Self {
            name: name.to_owned(),
            gateway: Gateway::new(registry, Arc::clone(&keys), Arc::clone(&hub), name, settings.while_waking),
            routes: control::routes(Arc::clone(&control)),
            keys,
            control,
            previews,
            schedules,
            hub,
        })
    }

    /// Whether somebody waits for an answer of one of its sandboxes.
    pub(crate) fn has_unanswered(&self) -> bool {
        let residents = self.control.registry.all();
        self.control.terms.queue.load().requests > 0
            || residents.iter().any(|resident| resident.unanswered() > 0)
    }

    /// Ends it with what runs in its sandboxes, or without. Nobody is served any more.
    pub(crate) async fn end(&self, leaving: Leaving) {
        self.schedules.wait().await;
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
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("name", &self.name).finish_non_exhaustive()
    }
}

async fn open_store(data: &Path) -> Result<Store, Error> {
    let data = data.to_owned();
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
                control.registry.all().iter().for_each(Resident::doubt);
            }
            Err(RecvError::Closed) => return,
        }
    }
}
