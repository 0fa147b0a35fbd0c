//! What the agent says of itself.

use axum::Json;
use axum::extract::State;
use reveille_wire::Health;
use serde::Serialize;

use crate::agent::Agent;
use crate::clock;
use crate::failure::Failure;

/// The architecture, in the words of the platform.
const ARCH: &str = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => "amd64",
    b"aarch64" => "arm64",
    _ => std::env::consts::ARCH,
};

/// What this agent adds to the platform's protocol, in the words of `docs/protocol.md`.
const CAPABILITIES: [&str; 6] =
    ["boot", "exact-streams", "exact-terminals", "exit-signals", "keep-alive", "log-positions"];

/// `GET /health`.
pub(crate) async fn health(State(agent): State<Agent>) -> Json<Health> {
    let up = agent.started().elapsed().unwrap_or_default();
    let mut health = Health::default();
    health.status = "ok".to_owned();
    health.version = env!("CARGO_PKG_VERSION").to_owned();
    health.git_commit = option_env!("REVEILLE_GIT_COMMIT").unwrap_or("unknown").to_owned();
    health.build_time = option_env!("REVEILLE_BUILD_TIME").unwrap_or("unknown").to_owned();
    health.go_version = "none".to_owned();
    health.os = std::env::consts::OS.to_owned();
    health.arch = ARCH.to_owned();
    health.uptime = clock::hours(up);
    health.uptime_seconds = up.as_secs_f64();
    health.started_at = clock::rfc3339(agent.started());
    let upgrades = agent.upgrades().told();
    health.upgrade_count = upgrades.count;
    health.last_upgrade = upgrades.latest;
    health.boot = agent.boot().as_str().to_owned();
    health.capabilities = CAPABILITIES.iter().copied().map(str::to_owned).collect();
    Json(health)
}

/// Where to read on.
#[derive(Debug, Serialize)]
pub(crate) struct Welcome {
    message: &'static str,
    documentation: &'static str,
    description: &'static str,
}

/// Anything but `OPTIONS` on `/`.
pub(crate) async fn welcome() -> Json<Welcome> {
    Json(Welcome {
        message: "this is a Reveille sandbox",
        documentation: env!("CARGO_PKG_REPOSITORY"),
        description: "an API for the processes, the drives and the ports of this sandbox",
    })
}

/// `POST /environment/reload`.
pub(crate) async fn reload_environment() -> Failure {
    Failure::absent("this sandbox has no environment of a guest to reload")
}
