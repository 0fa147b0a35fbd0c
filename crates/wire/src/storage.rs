//! Drives, volumes and images as records of the control plane.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Metadata;

/// A volume: files with a life of their own, in one sandbox at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Volume {
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be.
    pub spec: VolumeSpec,
    /// What is true of it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<VolumeState>,
    /// Where it stands, in the words of a sandbox's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a volume should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VolumeSpec {
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// MB. It can grow and not shrink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is true of a volume now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VolumeState {
    /// What has it, `sandbox:NAME`; empty when nothing has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_to: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A drive of the workspace, which sandboxes mount while they run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Drive {
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be: `region`, `permissions`.
    pub spec: Map<String, Value>,
    /// Where it stands, in the words of a sandbox's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An image that sandboxes are made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Image {
    /// Who it is.
    pub metadata: Metadata,
    /// What is known of it: `size`, `tagCount`.
    pub spec: Map<String, Value>,
    /// Where it stands: `BUILT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_what_it_does_not_know() {
        let text =
            r#"{"metadata":{"name":"v"},"spec":{"size":5,"new":1},"state":{"attachedTo":""},"events":[]}"#;
        let volume: Volume = serde_json::from_str(text).unwrap();
        assert_eq!(volume.spec.size, Some(5));
        let again = serde_json::to_value(&volume).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(text).unwrap());
    }
}
