use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a local host leaves behind for clients of the same user: where it listens, and its key.
///
/// It stands as JSON in [`LocalHost::FILE`] under [`state_dir`], and only its owner can read it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalHost {
    /// Where it listens, for example `http://127.0.0.1:7878`.
    pub url: String,
    /// The API key that it wants.
    pub key: String,
    /// The workspace that its sandboxes are in.
    pub workspace: String,
    /// The process that is the host.
    pub pid: u32,
}

impl LocalHost {
    /// The name of the file.
    pub const FILE: &'static str = "host.json";

    /// The base of the control plane.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/v0", self.url)
    }
}

impl fmt::Debug for LocalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, workspace, pid, key: _ } = self;
        f.debug_struct("LocalHost").field("url", url).field("workspace", workspace).field("pid", pid).finish()
    }
}

/// The user's state directory for Reveille, by the variables that `var` gives.
///
/// `$XDG_STATE_HOME/reveille`, else `%LOCALAPPDATA%\reveille`, else `$HOME/.local/state/reveille`;
/// `None` where no variable is set. Empty and relative values count as not set, as the XDG base directory
/// specification wants it.
pub fn state_dir(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("LOCALAPPDATA"))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("reveille"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_shown() {
        let host =
            LocalHost { url: "http://h".into(), key: "secret".into(), workspace: "local".into(), pid: 1 };
        assert!(!format!("{host:?}").contains("secret"));
    }

    #[cfg(unix)]
    #[test]
    fn the_state_directory_follows_xdg() {
        let of = |pairs: &[(&str, &str)]| {
            state_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        assert_eq!(of(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Some("/s/reveille".into()));
        assert_eq!(of(&[("XDG_STATE_HOME", ""), ("HOME", "/h")]), Some("/h/.local/state/reveille".into()));
        assert_eq!(of(&[]), None);
    }
}
