use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A door to one port of a sandbox, by a URL of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Preview {
    /// Who it is.
    pub metadata: PreviewMetadata,
    /// What it opens, and to whom.
    pub spec: PreviewSpec,
    /// Where it stands, in the words of a sandbox's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who a preview, or a token of one, is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PreviewMetadata {
    /// The name, within its sandbox.
    pub name: String,
    /// Of a token: the preview that it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_name: Option<String>,
    /// The sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// `sandbox`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// The workspace that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a preview opens, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PreviewSpec {
    /// The port in the sandbox. 443 is the sandbox's own API: that is what sessions are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Whether it is open to everybody; a private one wants a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// What its URL is to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_url: Option<String>,
    /// Where it is, without a trailing slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Until when it is open, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// How long it is open: `1h`, `7d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Headers that every request gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<BTreeMap<String, String>>,
    /// Headers that every answer gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_headers: Option<BTreeMap<String, String>>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What opens a private preview.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PreviewToken {
    /// Who it is.
    pub metadata: PreviewMetadata,
    /// The token itself, and until when it opens.
    pub spec: PreviewTokenSpec,
}

/// A token, and until when it opens.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PreviewTokenSpec {
    /// What stands in `X-Blaxel-Preview-Token` or `?bl_preview_token=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether it opens no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<bool>,
}

impl fmt::Debug for PreviewTokenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "[secret]");
        let mut shown = f.debug_struct("PreviewTokenSpec");
        shown.field("token", &token).field("expires_at", &self.expires_at).field("expired", &self.expired);
        shown.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let spec = PreviewTokenSpec { token: Some("hidden".into()), ..PreviewTokenSpec::default() };
        assert!(!format!("{spec:?}").contains("hidden"));
    }
}
