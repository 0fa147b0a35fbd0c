//! Upgrades: another program goes on in this process, with its listener, its processes and what they have said.
//!
//! The program is executed in place, so that the process keeps its number and its children. What it has to know goes
//! through a socket that becomes its standard input.

mod attempt;
mod handover;
mod program;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Json;
use axum::body::Body;
use axum::extract::State as Shared;
use reveille_wire::{UpgradeAccepted, UpgradeRequest, UpgradeState, UpgradeStatus};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub(crate) use self::attempt::{begin, ready};
pub(crate) use self::handover::{Taken, take_over};
pub(crate) use self::state::FORMAT;
use self::state::State;

use crate::agent::Agent;
use crate::{clock, json};

/// The upgrades of this agent.
#[derive(Debug, Default)]
pub(crate) struct Upgrades {
    told: Mutex<Told>,
    asked: Notify,
}

/// What is told of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// How many there were.
    pub(crate) count: u64,
    /// How the latest went.
    pub(crate) latest: UpgradeStatus,
}

impl Upgrades {
    /// Those of an agent that has just been upgraded.
    pub(crate) fn resumed(mut told: Told) -> Self {
        told.count += 1;
        told.latest.status = UpgradeState::Completed;
        "completed".clone_into(&mut told.latest.step);
        told.latest.binary_path = std::env::current_exe().ok().map(|path| path.display().to_string());
        Self { told: Mutex::new(told), asked: Notify::new() }
    }

    /// What is told of them now.
    pub(crate) fn told(&self) -> Told {
        self.lock().clone()
    }

    /// Lets `hear` look at what is told of them now.
    pub(crate) fn tell(&self, hear: impl FnOnce(&Told)) {
        hear(&self.lock());
    }

    /// Asks for an upgrade. One that is under way already serves as well.
    fn ask(&self, version: &str) {
        let mut told = self.lock();
        if told.latest.status == UpgradeState::Running {
            return;
        }
        told.latest = UpgradeStatus::default();
        told.latest.status = UpgradeState::Running;
        "starting".clone_into(&mut told.latest.step);
        version.clone_into(&mut told.latest.version);
        told.latest.last_attempt = Some(clock::rfc3339(SystemTime::now()));
        drop(told);
        self.asked.notify_one();
    }

    fn step(&self, step: &str) {
        step.clone_into(&mut self.lock().latest.step);
    }

    fn failed(&self, error: String) {
        tracing::warn!(%error, "an upgrade failed");
        let mut told = self.lock();
        told.latest.status = UpgradeState::Failed;
        told.latest.error = Some(error);
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /upgrade`. A body that cannot be understood counts as none.
pub(crate) async fn upgrade(Shared(agent): Shared<Agent>, body: Body) -> Json<UpgradeAccepted> {
    let body = json::read(body).await.unwrap_or_default();
    let request: UpgradeRequest = serde_json::from_slice(&body).unwrap_or_default();
    let mut accepted = UpgradeAccepted::default();
    accepted.version = request.version.filter(|version| !version.is_empty()).unwrap_or("latest".to_owned());
    accepted.base_url = request.base_url.unwrap_or_default();
    accepted.message = "the upgrade has begun; processes keep running".to_owned();
    agent.upgrades().ask(&accepted.version);
    Json(accepted)
}
