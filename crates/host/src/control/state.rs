use std::sync::Arc;
use std::time::SystemTime;

use reveille_wire::{Sandbox, SandboxName, SandboxState, Status};
use serde_json::json;
use tokio::sync::Notify;

use super::answer::Failure;
use super::record::Record;
use super::sandboxes::secrets::{self, Hidden};
use super::schedules;
use super::snapshots::Snapshot;
use super::spec::{self, Expiry};
use super::storage::{Drive, Volume};
use crate::auth::Keys;
use crate::clock::{self, Clock};
use crate::engine::{Allowance, Network, Plan};
use crate::image::{Image, Pinned};
use crate::preview;
use crate::sandbox::{Origin, Registered, Registry, Resident, Rest, Terms};
use crate::settings::PreviewUrls;
use crate::store::{Shelf, Store, Turn};

/// What the control plane works on.
///
/// The records say what there is; the registry holds what can be reached. Both change only within a turn of the
/// record.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) registry: Arc<Registry>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) store: Store,
    pub(crate) records: Arc<Shelf<Record>>,
    pub(crate) previews: Arc<Shelf<preview::Record>>,
    pub(crate) schedules: Arc<Shelf<schedules::Record>>,
    pub(crate) executions: Arc<Shelf<schedules::History>>,
    pub(crate) drives: Arc<Shelf<Drive>>,
    pub(crate) volumes: Arc<Shelf<Volume>>,
    pub(crate) images: Arc<Shelf<Image>>,
    pub(crate) snapshots: Arc<Shelf<Snapshot>>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Clock,
    pub(crate) workspace: String,
    /// What sandboxes reach of the outside that do not say.
    pub(crate) network: Network,
    /// What sandboxes may use that do not say.
    pub(crate) allowance: Allowance,
    /// How much of the disk is kept free, in MiB.
    pub(crate) keep_free: u64,
    /// Where the host answers, without a trailing slash.
    pub(crate) url: String,
    /// Which of its URLs a preview says that it has.
    pub(crate) preview_urls: PreviewUrls,
    /// When this host started.
    pub(crate) started: SystemTime,
    /// Told when something may be due earlier than before.
    pub(crate) expiries: Notify,
    /// The same of schedules.
    pub(crate) schedules_changed: Notify,
}

impl Control {
    /// The record of a name in a URL, whatever its status.
    pub(super) fn find(&self, name: &str) -> Result<Arc<Record>, Failure> {
        self.records.read(name).ok_or_else(|| no_such(name))
    }

    /// The sandbox of a name in a URL, where it can be reached.
    pub(super) fn reach(&self, name: &str) -> Result<Arc<Resident>, Failure> {
        let found = SandboxName::new(name).ok().and_then(|name| self.registry.find(&name));
        found.ok_or_else(|| match self.records.read(name) {
            Some(record) if record.is_off() => {
                Failure::conflict(format!("{name} is switched off: spec.enabled brings it back"))
            }
            _ => no_such(name),
        })
    }

    /// The right to change a sandbox that is there, when everybody before has had theirs.
    pub(super) async fn turn(&self, name: &str) -> Result<(Turn<Record>, Arc<Record>), Failure> {
        // Asked first, so that names that nobody has leave no trace.
        self.find(name)?;
        let turn = self.records.turn(name).await;
        match turn.read() {
            Some(record) => Ok((turn, record)),
            None => Err(no_such(name)),
        }
    }

    /// The sandbox with what is true of it now.
    pub(super) async fn sandbox(&self, record: &Record) -> Sandbox {
        let mut sandbox = record.sandbox.clone();
        let name = &sandbox.metadata.name;
        sandbox.metadata.workspace = Some(self.workspace.clone());
        sandbox.metadata.url = Some(format!("{}/{}/sandboxes/{name}", self.url, self.workspace));
        sandbox.last_used_at = self.last_used(record).map(clock::stamp);
        if let Some(expiry) = self.expiry(record).filter(|_| record.status() != Status::Terminated) {
            sandbox.expires_in = Some(expiry.seconds_left(self.clock.now()));
        }
        // What is being made, or ended, neither runs nor sleeps.
        let is_there = !matches!(record.status(), Status::Deploying | Status::Deleting);
        let mut ended = None;
        if let Ok(resident) = self.reach(&sandbox.metadata.name)
            && is_there
        {
            sandbox.state = Some(match resident.rest().await {
                Rest::Awake => SandboxState::Running,
                Rest::Asleep => SandboxState::Standby,
                Rest::Ended(reason) => {
                    // The platform has no word for it; any request brings it back as well.
                    ended = Some(reason);
                    SandboxState::Standby
                }
            });
        }
        // Our own facts stand under one key, apart from the platform's.
        let allowance = self.allowance(record);
        sandbox.other.insert(
            "reveille".to_owned(),
            json!({
                "ended": ended,
                "isolation": self.terms.engine.isolation(),
                "limits": {
                    "memoryMb": allowance.memory,
                    "processes": allowance.processes,
                    "cpus": f64::from(allowance.cpus.as_thousandths()) / 1000.0,
                    "maxFileMb": allowance.file,
                    "diskMb": allowance.disk,
                },
            }),
        );
        sandbox
    }

    /// The same without secrets.
    pub(super) async fn shown(&self, record: &Record) -> Hidden {
        secrets::hidden(self.sandbox(record).await)
    }

    /// When it was used last.
    pub(super) fn last_used(&self, record: &Record) -> Option<SystemTime> {
        let resident = self.reach(&record.sandbox.metadata.name).ok();
        let now = resident.and_then(|resident| resident.last_used());
        now.max(record.last_used_at())
    }

    /// When it is due, if ever.
    pub(super) fn expiry(&self, record: &Record) -> Option<Expiry> {
        let made = record.made_at();
        // What a host that was killed saw of its use is not known; this one counts from its own start.
        let idle_since = self.last_used(record).unwrap_or(made).max(made).max(self.started);
        record.life()?.expiry(made, idle_since)
    }

    /// Makes a sandbox reachable; nothing runs yet.
    pub(super) fn register(&self, record: &Record, origin: Origin) -> Result<Arc<Resident>, Failure> {
        let resident = self.resident(record, origin)?;
        match self.registry.register(&resident) {
            Registered::New => Ok(resident),
            Registered::Taken => Err(Failure::internal("what was there before has not ended yet")),
        }
    }

    /// A sandbox that nobody can reach.
    pub(super) fn resident(&self, record: &Record, origin: Origin) -> Result<Arc<Resident>, Failure> {
        let name = SandboxName::new(record.sandbox.metadata.name.clone())
            .map_err(|error| Failure::bad_request(error.to_string()))?;
        // What cannot be understood was refused when it came.
        let manner = spec::manner(&record.sandbox).unwrap_or_default();
        Ok(Resident::new(self.plan(&name, record), origin, manner, Arc::clone(&self.terms)))
    }

    /// What a sandbox reaches of the outside.
    pub(super) fn network(&self, record: &Record) -> Network {
        // What cannot be understood was refused when it came; the record of another host's reaches nothing.
        let network = spec::network(&record.sandbox.spec).unwrap_or(Some(Network::None));
        network.unwrap_or_else(|| self.network.clone())
    }

    /// What a sandbox may use.
    pub(super) fn allowance(&self, record: &Record) -> Allowance {
        // What cannot be understood was refused when it came.
        spec::allowance(&record.sandbox, self.allowance).unwrap_or(self.allowance)
    }

    fn plan(&self, name: &SandboxName, record: &Record) -> Plan {
        let runtime = record.sandbox.spec.runtime.iter();
        let environment = runtime.flat_map(|it| &it.envs).map(|env| (env.name.clone(), env.value.clone()));
        // What cannot be attached was refused when it came.
        let attachments = spec::attachments(&record.sandbox.spec).unwrap_or_default();
        let base = record.image.as_ref().map(Pinned::base).unwrap_or_default();
        let plan = Plan::new(name.clone()).with_environment(environment).with_network(self.network(record));
        plan.with_attachments(attachments).with_base(base).with_allowance(self.allowance(record))
    }

    /// Writes down when a sandbox was used last. The record is as good as before without it.
    pub(crate) async fn remember(&self, name: &str) {
        let Ok((turn, record)) = self.turn(name).await else { return };
        let used = self.last_used(&record).map(clock::stamp);
        if used == record.sandbox.last_used_at {
            return;
        }
        let mut next = Record::clone(&record);
        next.sandbox.last_used_at = used;
        if let Err(unwritten) = turn.put(next).await {
            tracing::warn!(sandbox = name, ?unwritten, "when it was used last could not be written down");
        }
    }
}

fn no_such(name: &str) -> Failure {
    Failure::not_found(format!("there is no sandbox called {name:?}"))
}
