use std::sync::Arc;

use reveille_wire::{Sandbox, SandboxName, SandboxState, Status};
use serde_json::json;

use super::answer::Failure;
use super::secrets::{self, Hidden};
use crate::engine::{Condition, Plan};
use crate::sandbox::{Registry, Resident, Terms};
use crate::store::Store;

/// What the control plane works on.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) residents: Arc<Registry>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) store: Arc<Store>,
    pub(crate) workspace: String,
    /// Where the host answers, without a trailing slash.
    pub(crate) url: String,
}

impl Control {
    /// The sandbox of a name in a URL.
    pub(super) fn find(&self, name: &str) -> Result<Arc<Resident>, Failure> {
        let found = SandboxName::new(name).ok().and_then(|name| self.residents.find(&name));
        found.ok_or_else(|| Failure::not_found(format!("there is no sandbox called {name:?}")))
    }

    /// The record of a sandbox with what is true of it now.
    pub(super) async fn record(&self, resident: &Resident) -> Sandbox {
        let mut record = resident.record();
        record.metadata.workspace = Some(self.workspace.clone());
        record.metadata.url = Some(format!("{}/{}/sandboxes/{}", self.url, self.workspace, resident.name()));
        record.state = Some(match self.terms.engine.condition(resident.name()).await {
            Condition::Awake(_) => SandboxState::Running,
            Condition::Asleep | Condition::Ended(_) | Condition::Absent => SandboxState::Standby,
        });
        // Our own facts stand under one key, apart from the platform's.
        record.other.insert("reveille".to_owned(), json!({ "isolation": self.terms.engine.isolation() }));
        record
    }

    /// The same without secrets.
    pub(super) async fn shown(&self, resident: &Resident) -> Hidden {
        secrets::hidden(self.record(resident).await)
    }

    /// The resident that a record makes.
    pub(crate) fn resident(&self, name: &SandboxName, record: Sandbox) -> Arc<Resident> {
        let runtime = record.spec.runtime.iter();
        let environment = runtime.flat_map(|it| &it.envs).map(|env| (env.name.clone(), env.value.clone()));
        let plan = Plan {
            name: name.clone(),
            directory: self.store.directory(name),
            drives: self.store.drives(),
            environment: environment.collect(),
        };
        Resident::new(record, plan, Arc::clone(&self.terms))
    }

    /// Writes the record of a sandbox to disk.
    pub(super) async fn keep(&self, resident: &Arc<Resident>) -> Result<(), Failure> {
        let (store, name, record) = (Arc::clone(&self.store), resident.name().clone(), resident.record());
        let written = tokio::task::spawn_blocking(move || store.put(&name, &record)).await;
        let written = written.map_err(|_| Failure::broken_off())?;
        written.map_err(|error| Failure::internal(format!("the record could not be written: {error}")))
    }

    /// The same where the record is as good as before without it.
    pub(crate) async fn remember(&self, resident: &Arc<Resident>) {
        if self.keep(resident).await.is_err() {
            tracing::warn!(sandbox = %resident.name(), "when it was used last could not be written down");
        }
    }

    /// Ends a sandbox and removes all that is kept of it.
    pub(crate) async fn delete(&self, resident: &Arc<Resident>) -> Result<(), Failure> {
        // On disk first: a delete that is cut off is finished at the next start.
        let before = resident.record();
        let mut record = before.clone();
        record.status = Some(Status::Deleting);
        resident.set_record(record);
        self.keep(resident).await?;
        if let Err(reason) = resident.delete().await {
            resident.set_record(before);
            self.remember(resident).await;
            return Err(Failure::internal(format!("the sandbox could not be deleted: {reason}")));
        }
        let (store, name) = (Arc::clone(&self.store), resident.name().clone());
        let removed = tokio::task::spawn_blocking(move || store.remove(&name)).await;
        self.residents.forget(resident);
        match removed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::internal(format!("its record could not be removed: {error}"))),
            Err(_) => Err(Failure::broken_off()),
        }
    }
}
