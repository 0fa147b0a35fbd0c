//! What the agent says of itself.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use reveille_wire::Health;
use serde::Serialize;

use crate::agent::Agent;
use crate::boot::Boot;
use crate::clock::{self, Hours};
use crate::failure::Failure;
use crate::reference;
use crate::upgrade::Upgrades;

/// The architecture, in the words of the platform.
const ARCH: &str = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => "amd64",
    b"aarch64" => "arm64",
    _ => std::env::consts::ARCH,
};

/// What this agent adds to the platform's protocol, in the words of `docs/protocol.md`.
const CAPABILITIES: [&str; 6] =
    ["boot", "exact-streams", "exact-terminals", "exit-signals", "keep-alive", "log-positions"];

/// What the agent says of its health. It is asked for before every mutation from standby, and most of it never changes:
/// so it is made once, and only what has changed is written anew.
#[derive(Debug)]
pub(crate) struct HealthReport(Mutex<Health>);

impl HealthReport {
    /// What is said by an agent that began then, in that life of its sandbox.
    pub(crate) fn new(started: SystemTime, boot: &Boot) -> Self {
        let mut health = Health::default();
        health.status = "ok".to_owned();
        health.version = env!("CARGO_PKG_VERSION").to_owned();
        health.git_commit = option_env!("REVEILLE_GIT_COMMIT").unwrap_or("unknown").to_owned();
        health.build_time = option_env!("REVEILLE_BUILD_TIME").unwrap_or("unknown").to_owned();
        health.go_version = "none".to_owned();
        health.os = std::env::consts::OS.to_owned();
        health.arch = ARCH.to_owned();
        health.started_at = clock::rfc3339(started);
        health.boot = boot.as_str().to_owned();
        health.capabilities = CAPABILITIES.iter().copied().map(str::to_owned).collect();
        Self(Mutex::new(health))
    }

    /// The whole of it as JSON, for an agent that has been up for so long and has seen these upgrades.
    fn to_json(&self, up: Duration, upgrades: &Upgrades) -> serde_json::Result<Vec<u8>> {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        health.uptime.clear();
        // A text takes whatever is written.
        let _ = write!(health.uptime, "{}", Hours(up));
        health.uptime_seconds = up.as_secs_f64();
        upgrades.tell(|told| {
            health.upgrade_count = told.count;
            if health.last_upgrade != told.latest {
                health.last_upgrade = told.latest.clone();
            }
        });
        let mut json = Vec::with_capacity(USUAL_LENGTH);
        serde_json::to_writer(&mut json, &*health)?;
        Ok(json)
    }
}

/// How long what is said usually is, in bytes.
const USUAL_LENGTH: usize = 512;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `GET /health`.
pub(crate) async fn health(State(agent): State<Agent>) -> Result<Response, Failure> {
    let up = agent.started().elapsed().unwrap_or_default();
    let json = agent.health_report().to_json(up, agent.upgrades());
    let json = json.map_err(|error| Failure::broken(format!("what it says cannot be written: {error}")))?;
    Ok(([(CONTENT_TYPE, JSON)], json).into_response())
}

/// Where to read on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Welcome {
    api_reference: &'static str,
    message: &'static str,
    documentation: &'static str,
    description: &'static str,
}

/// Anything but `OPTIONS` on `/`.
pub(crate) async fn welcome() -> Json<Welcome> {
    Json(Welcome {
        api_reference: reference::PATH,
        message: "this is a Reveille sandbox; see apiReference for what it can do",
        documentation: env!("CARGO_PKG_REPOSITORY"),
        description: "an API for the processes, the drives and the ports of this sandbox",
    })
}

/// `POST /environment/reload`.
pub(crate) async fn reload_environment() -> Failure {
    Failure::absent("this sandbox has no environment of a guest to reload")
}
