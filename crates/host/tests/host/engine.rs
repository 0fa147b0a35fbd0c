//! An engine of another kind: its agents have a new address after every waking, and it does what it is told.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reveille_host::engine::{
    Address, Change, Condition, Engine, EngineError, EngineErrorKind, Freezer, Isolation, Namespaces, Plan,
};
use reveille_wire::SandboxName;
use tokio::net::UnixListener;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

use crate::sandbox_app::App;

#[derive(Debug)]
pub(crate) struct ScriptedEngine {
    isolation: Isolation,
    sockets: PathBuf,
    wakings: AtomicUsize,
    sandboxes: Mutex<HashMap<String, Running>>,
    changes: broadcast::Sender<Change>,
    script: Mutex<Script>,
    /// How many wakes (and creates) have begun.
    pub(crate) wakes: AtomicUsize,
    pub(crate) sleeps: AtomicUsize,
    /// Lets a gated wake or sleep go on.
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
    pub(crate) failing_deletes: usize,
}

#[derive(Debug)]
struct Running {
    plan: Plan,
    app: Arc<App>,
    condition: Condition,
    server: Option<JoinHandle<()>>,
}

impl ScriptedEngine {
    pub(crate) fn new(directory: &Path) -> Arc<Self> {
        Arc::new(Self {
            isolation: Isolation::new(Namespaces::None, Freezer::Signals, vec!["it is a script".to_owned()]),
            sockets: directory.to_owned(),
            wakings: AtomicUsize::new(0),
            sandboxes: Mutex::default(),
            changes: broadcast::channel(16).0,
            script: Mutex::default(),
            wakes: AtomicUsize::new(0),
            sleeps: AtomicUsize::new(0),
            go: Notify::new(),
        })
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

    pub(crate) fn sleeps(&self) -> usize {
        self.sleeps.load(Ordering::SeqCst)
    }

    /// Somebody else puts it to sleep.
    pub(crate) fn sleep_by_somebody_else(&self, name: &str) {
        self.freeze(name);
        self.tell(name);
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
        self.changes.send(Change { name: SandboxName::new(name).unwrap(), condition }).unwrap();
    }

    fn freeze(&self, name: &str) {
        let mut sandboxes = self.sandboxes.lock().unwrap();
        let running = sandboxes.get_mut(name).unwrap();
        running.app.asleep.store(true, Ordering::SeqCst);
        running.condition = Condition::Asleep;
    }

    async fn step(&self) -> Result<(), EngineError> {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        let script = self.script.lock().unwrap().clone();
        if script.gated_wake {
            self.go.notified().await;
        }
        tokio::time::sleep(script.wake_takes).await;
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
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
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

    fn create(&self, plan: Plan) -> BoxFuture<'_, Result<Address, EngineError>> {
        async move {
            self.step().await?;
            std::fs::create_dir_all(&plan.directory).unwrap();
            Ok(self.serve(plan, Arc::new(App::default())))
        }
        .boxed()
    }

    fn sleep<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.sleeps.fetch_add(1, Ordering::SeqCst);
            let script = self.script.lock().unwrap().clone();
            if script.gated_sleep {
                self.go.notified().await;
            }
            if script.failing_sleeps > 0 {
                self.script.lock().unwrap().failing_sleeps -= 1;
                return Err(EngineError::new(EngineErrorKind::TimedOut, "it would not freeze"));
            }
            self.freeze(name.as_str());
            Ok(())
        }
        .boxed()
    }

    fn wake<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Address, EngineError>> {
        async move {
            self.step().await?;
            let (plan, app) = {
                let mut sandboxes = self.sandboxes.lock().unwrap();
                let running = sandboxes.get_mut(name.as_str()).unwrap();
                (running.plan.clone(), Arc::clone(&running.app))
            };
            Ok(self.serve(plan, app))
        }
        .boxed()
    }

    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Condition> {
        let sandboxes = self.sandboxes.lock().unwrap();
        let condition = sandboxes.get(name.as_str()).map(|running| running.condition.clone());
        std::future::ready(condition.unwrap_or(Condition::Absent)).boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn delete<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            if self.script.lock().unwrap().failing_deletes > 0 {
                self.script.lock().unwrap().failing_deletes -= 1;
                return Err(EngineError::new(EngineErrorKind::System, "it would not go"));
            }
            let Some(running) = self.sandboxes.lock().unwrap().remove(name.as_str()) else {
                return Err(EngineError::new(EngineErrorKind::Absent, "there is none"));
            };
            if let Some(server) = running.server {
                server.abort();
            }
            std::fs::remove_dir_all(&running.plan.directory).unwrap();
            Ok(())
        }
        .boxed()
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
