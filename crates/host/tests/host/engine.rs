//! An engine of another kind: its agents have a new address after every waking, and it does what it is told.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reveille_host::engine::{
    Address, Change, Condition, Engine, EngineError, EngineErrorKind, Freezer, Generation, Isolation, Issuer,
    Known, Namespaces, Network, Plan,
};
use reveille_wire::SandboxName;
use tokio::net::UnixListener;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

use crate::raw_agent::RawAgent;
use crate::sandbox_app::App;

#[derive(Debug)]
pub(crate) struct ScriptedEngine {
    isolation: Isolation,
    sockets: PathBuf,
    wakings: AtomicUsize,
    sandboxes: Mutex<HashMap<String, Running>>,
    /// The latest command to each name that was carried out, also where there is nothing any more.
    accepted: Mutex<HashMap<String, Generation>>,
    changes: broadcast::Sender<Change>,
    script: Mutex<Script>,
    /// How many wakes (and creates) have begun.
    pub(crate) wakes: AtomicUsize,
    pub(crate) sleeps: AtomicUsize,
    /// How often a sandbox was made.
    pub(crate) creates: AtomicUsize,
    pub(crate) detaches: AtomicUsize,
    /// How many commands have come to their end, waited for or not.
    ends: AtomicUsize,
    /// Lets a gated command go on.
    pub(crate) go: Notify,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// How long a wake takes.
    pub(crate) wake_takes: Duration,
    /// So many wakes fail, after they have taken their time.
    pub(crate) failing_wakes: usize,
    /// Wakes wait to be let go.
    pub(crate) gated_wake: bool,
    /// Sleeps wait to be let go, and only then sleep.
    pub(crate) gated_sleep: bool,
    pub(crate) failing_sleeps: usize,
    /// Deletes wait to be let go, and only then delete.
    pub(crate) gated_delete: bool,
    pub(crate) failing_deletes: usize,
    /// It does not say what is true.
    pub(crate) is_silent: bool,
    /// What serves each connection to an agent instead of the app.
    pub(crate) agent: Option<RawAgent>,
}

#[derive(Debug)]
struct Running {
    plan: Plan,
    app: Arc<App>,
    condition: Condition,
    server: Option<JoinHandle<()>>,
}

/// Counts a command when it has come to its end.
struct End<'a>(&'a AtomicUsize);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl ScriptedEngine {
    pub(crate) fn new(directory: &Path) -> Arc<Self> {
        Arc::new(Self {
            isolation: Isolation::new(Namespaces::None, Freezer::Signals, vec!["it is a script".to_owned()]),
            sockets: directory.to_owned(),
            wakings: AtomicUsize::new(0),
            sandboxes: Mutex::default(),
            accepted: Mutex::default(),
            changes: broadcast::channel(16).0,
            script: Mutex::default(),
            wakes: AtomicUsize::new(0),
            sleeps: AtomicUsize::new(0),
            creates: AtomicUsize::new(0),
            detaches: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
            go: Notify::new(),
        })
    }

    /// What a sandbox reaches.
    pub(crate) fn network(&self, name: &str) -> Network {
        self.sandboxes.lock().unwrap()[name].plan.network.clone()
    }

    pub(crate) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub(crate) fn app(&self, name: &str) -> Arc<App> {
        Arc::clone(&self.sandboxes.lock().unwrap()[name].app)
    }

    pub(crate) fn plan(&self, name: &str) -> Plan {
        self.sandboxes.lock().unwrap()[name].plan.clone()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.sandboxes.lock().unwrap().contains_key(name)
    }

    pub(crate) fn is_awake(&self, name: &str) -> bool {
        matches!(self.sandboxes.lock().unwrap()[name].condition, Condition::Awake(_))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Lets a gated command go on, and waits for its end, which nobody else need wait for any more.
    pub(crate) async fn let_go(&self) {
        let before = self.ends.load(Ordering::SeqCst);
        self.go.notify_one();
        while self.ends.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn sleeps(&self) -> usize {
        self.sleeps.load(Ordering::SeqCst)
    }

    /// Somebody else puts it to sleep.
    pub(crate) fn sleep_by_somebody_else(&self, name: &str) {
        self.commanded_by_somebody_else(name);
        self.freeze(name);
        self.tell(name);
    }

    /// Somebody else puts it to sleep and wakes it: it is awake at another address.
    pub(crate) fn move_by_somebody_else(&self, name: &str) {
        self.commanded_by_somebody_else(name);
        let (plan, app) = {
            let sandboxes = self.sandboxes.lock().unwrap();
            let running = &sandboxes[name];
            running.server.as_ref().unwrap().abort();
            (running.plan.clone(), Arc::clone(&running.app))
        };
        self.serve(plan, app);
        self.tell(name);
    }

    fn commanded_by_somebody_else(&self, name: &str) {
        let mut accepted = self.accepted.lock().unwrap();
        let latest = accepted.entry(name.to_owned()).or_default();
        *latest = latest.next(Issuer::new(0));
    }

    /// What is carried out now, until the guard is dropped, comes in time; whatever is earlier comes too late.
    fn accept(
        &self,
        name: &SandboxName,
        generation: Generation,
    ) -> Result<MutexGuard<'_, HashMap<String, Generation>>, EngineError> {
        let mut accepted = self.accepted.lock().unwrap();
        let latest = accepted.entry(name.to_string()).or_default();
        if generation < *latest {
            let what = format!("{generation} comes after {latest}");
            return Err(EngineError::new(EngineErrorKind::Overtaken, what));
        }
        *latest = generation;
        Ok(accepted)
    }

    /// The agent ends by itself; whether anybody hears of it is another thing.
    pub(crate) fn end_silently(&self, name: &str) {
        let mut sandboxes = self.sandboxes.lock().unwrap();
        let running = sandboxes.get_mut(name).unwrap();
        running.condition = Condition::Ended("it was told to".to_owned());
        running.server.take().unwrap().abort();
    }

    pub(crate) fn tell(&self, name: &str) {
        let condition = self.sandboxes.lock().unwrap()[name].condition.clone();
        let generation = self.accepted.lock().unwrap()[name];
        let known = Known { condition, generation };
        self.changes.send(Change { name: SandboxName::new(name).unwrap(), known }).unwrap();
    }

    /// Where a sandbox keeps its files: where the local engine does.
    fn files(&self, name: &SandboxName) -> PathBuf {
        self.sockets.join("data/sandboxes").join(name.as_str())
    }

    fn freeze(&self, name: &str) {
        let mut sandboxes = self.sandboxes.lock().unwrap();
        let running = sandboxes.get_mut(name).unwrap();
        running.app.asleep.store(true, Ordering::SeqCst);
        running.condition = Condition::Asleep;
    }

    async fn step(&self) -> Result<(), EngineError> {
        let script = self.script.lock().unwrap().clone();
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if script.gated_wake {
            self.go.notified().await;
        }
        tokio::time::sleep(script.wake_takes).await;
        if script.is_silent {
            return Err(EngineError::new(EngineErrorKind::Unreachable, "the cluster does not answer"));
        }
        if script.failing_wakes > 0 {
            self.script.lock().unwrap().failing_wakes -= 1;
            return Err(EngineError::new(EngineErrorKind::System, "the cluster has no room"));
        }
        Ok(())
    }

    /// Starts or moves the agent to an address that it has not had before.
    fn serve(&self, plan: Plan, app: Arc<App>) -> Address {
        let number = self.wakings.fetch_add(1, Ordering::SeqCst);
        let path = self.sockets.join(format!("{number}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        let routes = app.routes();
        app.asleep.store(false, Ordering::SeqCst);
        let raw = self.script.lock().unwrap().agent.clone();
        let server = match raw {
            Some(agent) => tokio::spawn(agent.serve(listener)),
            None => tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }),
        };
        let address = Address::Unix(path);
        let condition = Condition::Awake(address.clone());
        let name = plan.name.to_string();
        let running = Running { plan, app, condition, server: Some(server) };
        self.sandboxes.lock().unwrap().insert(name, running);
        address
    }
}

impl Engine for ScriptedEngine {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn create(&self, plan: Plan, generation: Generation) -> BoxFuture<'_, Result<Address, EngineError>> {
        async move {
            let _end = End(&self.ends);
            self.step().await?;
            let _turn = self.accept(&plan.name, generation)?;
            self.creates.fetch_add(1, Ordering::SeqCst);
            std::fs::create_dir_all(self.files(&plan.name)).unwrap();
            Ok(self.serve(plan, Arc::new(App::default())))
        }
        .boxed()
    }

    fn change_network<'a>(
        &'a self,
        name: &'a SandboxName,
        network: Network,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let changed = match network {
            Network::Machine => Err(EngineError::new(EngineErrorKind::Unsupported, "not while it runs")),
            network => {
                if let Some(running) = self.sandboxes.lock().unwrap().get_mut(name.as_str()) {
                    running.plan.network = network;
                }
                Ok(())
            }
        };
        std::future::ready(changed).boxed()
    }

    fn sleep<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            let _end = End(&self.ends);
            let script = self.script.lock().unwrap().clone();
            self.sleeps.fetch_add(1, Ordering::SeqCst);
            if script.gated_sleep {
                self.go.notified().await;
            }
            let _turn = self.accept(name, generation)?;
            if script.failing_sleeps > 0 {
                self.script.lock().unwrap().failing_sleeps -= 1;
                return Err(EngineError::new(EngineErrorKind::TimedOut, "it would not freeze"));
            }
            self.freeze(name.as_str());
            Ok(())
        }
        .boxed()
    }

    fn wake<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<Address, EngineError>> {
        async move {
            match self.sandboxes.lock().unwrap().get(name.as_str()).map(|running| running.condition.clone()) {
                None => return Err(EngineError::new(EngineErrorKind::Absent, "there is none")),
                Some(Condition::Ended(reason)) => {
                    return Err(EngineError::new(EngineErrorKind::Ended, reason));
                }
                Some(_) => {}
            }
            let _end = End(&self.ends);
            self.step().await?;
            let _turn = self.accept(name, generation)?;
            let (plan, app) = {
                let sandboxes = self.sandboxes.lock().unwrap();
                let Some(running) = sandboxes.get(name.as_str()) else {
                    return Err(EngineError::new(EngineErrorKind::Absent, "there is none any more"));
                };
                if let Condition::Awake(address) = &running.condition {
                    return Ok(address.clone());
                }
                (running.plan.clone(), Arc::clone(&running.app))
            };
            Ok(self.serve(plan, app))
        }
        .boxed()
    }

    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Known, EngineError>> {
        if self.script.lock().unwrap().is_silent {
            let error = EngineError::new(EngineErrorKind::Unreachable, "the cluster does not answer");
            return std::future::ready(Err(error)).boxed();
        }
        // In the order of every command, which holds what it has accepted until it is carried out.
        let accepted = self.accepted.lock().unwrap();
        let sandboxes = self.sandboxes.lock().unwrap();
        let condition = sandboxes.get(name.as_str()).map(|running| running.condition.clone());
        let condition = condition.unwrap_or(Condition::Absent);
        let generation = accepted.get(name.as_str()).copied().unwrap_or_default();
        std::future::ready(Ok(Known { condition, generation })).boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn delete<'a>(
        &'a self,
        name: &'a SandboxName,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            let _end = End(&self.ends);
            let script = self.script.lock().unwrap().clone();
            if script.gated_delete {
                self.go.notified().await;
            }
            let _turn = self.accept(name, generation)?;
            if script.failing_deletes > 0 {
                self.script.lock().unwrap().failing_deletes -= 1;
                return Err(EngineError::new(EngineErrorKind::System, "it would not go"));
            }
            let running = self.sandboxes.lock().unwrap().remove(name.as_str());
            if let Some(server) = running.and_then(|running| running.server) {
                server.abort();
            }
            match std::fs::remove_dir_all(self.files(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn detach(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        self.detaches.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(())).boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        for (_, running) in self.sandboxes.lock().unwrap().drain() {
            if let Some(server) = running.server {
                server.abort();
            }
        }
        std::future::ready(()).boxed()
    }
}
