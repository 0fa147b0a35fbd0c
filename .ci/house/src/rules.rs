use std::path::Path;

use serde::Deserialize;

/// What `deny.toml` says, as far as it is read here.
#[derive(Debug, Deserialize)]
pub struct Rules {
    pub(crate) licenses: Licenses,
    pub(crate) bans: Bans,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Licenses {
    pub(crate) allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bans {
    #[serde(default)]
    pub(crate) skip: Vec<Skip>,
}

/// A version that may stand beside another of the same crate.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Skip {
    /// `name@requirement`, the requirement as cargo reads it.
    #[serde(rename = "crate")]
    pub(crate) which: String,
    /// Why it is borne.
    #[serde(rename = "reason")]
    pub(crate) _reason: String,
}

impl Rules {
    /// Reads the rules.
    ///
    /// # Errors
    /// When the file is not there, or is none.
    pub fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }
}
