use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A sandbox as the control plane tells of it. Keys that this crate does not know are kept in `other`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Sandbox {
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be.
    pub spec: SandboxSpec,
    /// Where its deployment stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Whether it is awake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<SandboxState>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
    /// What happened to it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub events: Vec<Event>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who a resource is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Metadata {
    /// Lower case letters, digits, hyphens; at most 49. The server makes one up when it is missing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The caller's own name for it, at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Free words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Where it answers, without a trailing slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The workspace that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a sandbox should be. Of what else was said only the names are shown: the secrets of routes are among it.
///
/// ```
/// use reveille_wire::SandboxSpec;
///
/// let said = r#"{"network": {"proxy": {"routing": [{"secrets": {"key": "sk-live-1"}}]}}}"#;
/// let spec: SandboxSpec = serde_json::from_str(said)?;
/// let shown = format!("{spec:?}");
/// assert!(shown.contains("network") && !shown.contains("sk-live-1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SandboxSpec {
    /// Whether it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What runs in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<SandboxRuntime>,
    /// When it is deleted by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// What is attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub volumes: Vec<VolumeAttachment>,
    /// What else was said: network.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for SandboxSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { enabled, region, runtime, lifecycle, volumes, other } = self;
        f.debug_struct("SandboxSpec")
            .field("enabled", enabled)
            .field("region", region)
            .field("runtime", runtime)
            .field("lifecycle", lifecycle)
            .field("volumes", volumes)
            .field("other", &other.keys())
            .finish()
    }
}

/// What runs in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SandboxRuntime {
    /// The image it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// What it serves.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub ports: Vec<PortSpec>,
    /// What its processes find in their environment.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub envs: Vec<EnvVar>,
    /// How long it lives: `30m`, `24h`, `7d`, `2w`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Until when it lives, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// When a sandbox is deleted by itself, and how long its record stays after that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Lifecycle {
    /// Whichever is met first counts.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub expiration_policies: Vec<ExpirationPolicy>,
    /// How long the record stays after the end: `5m` unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated_retention: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One rule that ends a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ExpirationPolicy {
    /// `ttl-idle`, `ttl-max-age` or `date`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A span like `24h` for the first two, a time as in RFC 3339 for the last.
    pub value: String,
    /// `delete`, the only one there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A volume at a place in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VolumeAttachment {
    /// The volume.
    pub name: String,
    /// Where it is in the sandbox: an absolute path.
    pub mount_path: String,
    /// Whether the sandbox may not write to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// What else was said: `type` and `sizeMb` of ephemeral ones.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Something that happened to a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Event {
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What kind of event it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The status that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A port that a sandbox serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PortSpec {
    /// The number.
    pub target: u16,
    /// A name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `HTTP`, `TCP`, `TLS` or `UDP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A variable in the environment of a sandbox's processes. A secret one does not show its value.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvVar {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Whether the value is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<bool>,
}

impl fmt::Debug for EnvVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret == Some(true) { "[secret]" } else { &self.value };
        f.debug_struct("EnvVar").field("name", &self.name).field("value", &value).finish()
    }
}

/// Whether a sandbox is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum SandboxState {
    /// Its processes run.
    Running,
    /// Its processes are frozen; any request wakes it.
    Standby,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// Where the deployment of a resource stands. `DEPLOYED` covers both awake and standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the platform's own words, with no more meaning than they say")]
pub enum Status {
    Uploading,
    Building,
    Built,
    Deploying,
    Deployed,
    Failed,
    Deactivating,
    Deactivated,
    Deleting,
    Terminated,
    #[serde(other)]
    Other,
}

fn null_is_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_values_are_kept() {
        let json = serde_json::json!({"metadata": {"name": "a", "labels": null, "novel": 1}, "spec": {"lifecycle": {}},
            "status": "PONDERING", "state": "STANDBY", "errors": []});
        let sandbox: Sandbox = serde_json::from_value(json).unwrap();
        assert_eq!((sandbox.status, sandbox.state), (Some(Status::Other), Some(SandboxState::Standby)));
        let back = serde_json::to_value(&sandbox).unwrap();
        assert_eq!((&back["metadata"]["novel"], &back["errors"]), (&1.into(), &serde_json::json!([])));
        assert_eq!(back["spec"]["lifecycle"], serde_json::json!({}));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let env = EnvVar { name: "K".into(), value: "hidden".into(), secret: Some(true) };
        assert!(!format!("{env:?}").contains("hidden"));
    }
}
