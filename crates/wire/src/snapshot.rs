//! Snapshots of sandboxes, and forks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::EnvVar;

/// A copy of a sandbox as it was at one moment. It belongs to the workspace, and outlives the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Who it is, in the workspace.
    pub id: String,
    /// What it is called, among those of its sandbox.
    pub name: String,
    /// `pending`, `ready` or `failed`.
    pub status: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The workspace that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// What it was taken of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SnapshotSource>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a snapshot was taken of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SnapshotSource {
    /// The sandbox.
    pub name: String,
    /// Whether it is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A sandbox that was put back to a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Restored {
    /// The sandbox.
    pub name: String,
    /// The snapshot.
    pub snapshot_id: String,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a fork is to be: a new sandbox that begins as another one, or as a snapshot of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ForkSpec {
    /// What the new sandbox is called.
    pub target_name: String,
    /// `sandbox`.
    pub target_type: String,
    /// The snapshot that it begins as, instead of the sandbox as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// A port to open in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Variables beside those that it begins with, or in place of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub envs: Vec<EnvVar>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A fork that was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Forked {
    /// The new sandbox.
    pub name: String,
    /// The snapshot that it began as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_keeps_what_it_does_not_know() {
        let text = r#"{"id":"s1","name":"n","status":"ready","source":{"name":"box","kind":"sandbox","deleted":true},"spec":{"memory":1}}"#;
        let snapshot: Snapshot = serde_json::from_str(text).unwrap();
        assert_eq!(snapshot.source.as_ref().unwrap().deleted, Some(true));
        assert_eq!(serde_json::to_value(&snapshot).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }
}
