use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The answer of `GET /health`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The agent's version.
    pub version: String,
    /// The commit that the agent was built from.
    pub git_commit: String,
    /// When it was built.
    pub build_time: String,
    /// The toolchain; kept for clients that demand the key.
    pub go_version: String,
    /// The operating system.
    pub os: String,
    /// The architecture.
    pub arch: String,
    /// How long it has been running, as text: `1h30m0s`.
    pub uptime: String,
    /// How long it has been running, in seconds.
    pub uptime_seconds: f64,
    /// How many upgrades it has seen.
    pub upgrade_count: u64,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// How the latest upgrade went.
    pub last_upgrade: UpgradeStatus,
    /// Which life of the sandbox this is; empty where the agent does not say. An addition of ours.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub boot: String,
    /// What the agent adds to the platform's protocol. An addition of ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How an upgrade goes or went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct UpgradeStatus {
    /// Where it stands.
    pub status: UpgradeState,
    /// The step it is at.
    pub step: String,
    /// The version that was asked for.
    pub version: String,
    /// When it was tried, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The binary that runs now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary_path: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where an upgrade stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum UpgradeState {
    /// None was asked for.
    #[default]
    Idle,
    /// It goes on.
    Running,
    /// The new agent runs.
    Completed,
    /// The old agent runs on.
    Failed,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// The body of `POST /upgrade`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpgradeRequest {
    /// The version to go to; the server takes `latest` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where to take it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

impl UpgradeRequest {
    /// An upgrade to `version`.
    pub fn to(version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), base_url: None }
    }
}

/// The answer of `POST /upgrade`: it has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct UpgradeAccepted {
    /// A sentence.
    pub message: String,
    /// The version it goes to.
    pub version: String,
    /// Where it is taken from.
    pub base_url: String,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_answer_may_lack_keys_and_have_others() {
        let health: Health = serde_json::from_str(
            r#"{"status":"ok","uptimeSeconds":5400.5,"new":1,"lastUpgrade":{"status":"odd","novel":2}}"#,
        )
        .unwrap();
        let back = serde_json::to_value(&health).unwrap();
        assert_eq!((&back["new"], &back["lastUpgrade"]["novel"]), (&1.into(), &2.into()));
        assert_eq!((health.status.as_str(), health.last_upgrade.status), ("ok", UpgradeState::Other));
    }
}
