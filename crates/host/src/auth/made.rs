use std::fmt;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{has_passed, hash, same};
use crate::clock;
use crate::store::Document;

/// A key that was made for somebody. What it is nobody knows any more but whom it was given to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Made {
    /// What it is called.
    pub(crate) name: String,
    /// SHA-256 of it, in base64.
    hash: String,
    /// Its first letters, by which whoever has several can tell them apart.
    pub(crate) hint: String,
    pub(crate) created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
}

/// How many letters of a key are kept.
const HINT: usize = 7;

impl Document for Made {
    const KIND: &'static str = "key";
}

impl Made {
    pub(crate) fn of(name: String, key: &str, at: SystemTime, expires: Option<SystemTime>) -> Self {
        Self {
            name,
            hash: STANDARD.encode(hash(key.as_bytes())),
            hint: key.chars().take(HINT).collect(),
            created_at: clock::stamp(at),
            expires_at: expires.map(clock::stamp),
        }
    }

    /// Whether it is the key with this hash, and is good still.
    pub(super) fn is(&self, hash: &[u8; 32], now: SystemTime) -> bool {
        let mine = STANDARD.decode(&self.hash).unwrap_or_default();
        same(&mine, hash) & !self.has_expired(now)
    }

    pub(crate) fn has_expired(&self, now: SystemTime) -> bool {
        // A moment that cannot be read was not written here.
        let expires = self.expires_at.as_deref().map(|at| clock::read(at).unwrap_or(SystemTime::UNIX_EPOCH));
        has_passed(expires, now)
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("name", &self.name).field("hint", &self.hint).finish_non_exhaustive()
    }
}
