use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a local host leaves behind for clients of the same user: where it listens, and its key.
///
/// It stands as JSON in [`LocalHost::FILE`] under [`state_dir`], and only its owner can read it. A host that is
/// killed leaves it behind, and something else may listen there afterwards: the key is for a host that
/// [runs](LocalHost::runs).
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
    /// When that process began. Numbers of processes are used again; this one and its birth are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<Birth>,
}

/// When a process of a Linux machine began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// Since which start of the machine `ticks` counts: the kernel's `boot_id`.
    pub boot: String,
    /// Clock ticks from the start of the machine: field 22 of the process's `stat`.
    pub ticks: u64,
}

impl LocalHost {
    /// The name of the file.
    pub const FILE: &'static str = "host.json";

    /// The base of the control plane.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/v0", self.url)
    }

    /// Whether the process that wrote this still runs, and so is who listens there. `read` reads a file of the
    /// machine as text; where it cannot, nothing is proven.
    #[must_use]
    pub fn runs(&self, read: impl Fn(&str) -> io::Result<String>) -> bool {
        self.birth.is_some() && Birth::of(self.pid, read) == self.birth
    }
}

impl Birth {
    /// When a process began; `None` where it has ended, be it that nobody has taken note of its end yet.
    pub fn of(pid: u32, read: impl Fn(&str) -> io::Result<String>) -> Option<Self> {
        let boot = read("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let stat = read(&format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold anything, parentheses and spaces too.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let ticks = fields.nth(18)?.parse().ok()?;
        let has_ended = matches!(state, "Z" | "X" | "x");
        (!has_ended && !boot.is_empty()).then_some(Self { boot, ticks })
    }
}

impl fmt::Debug for LocalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, workspace, pid, birth, key: _ } = self;
        let mut shown = f.debug_struct("LocalHost");
        shown.field("url", url).field("workspace", workspace).field("pid", pid).field("birth", birth).finish()
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

    fn host(birth: Option<Birth>) -> LocalHost {
        let (url, key) = ("http://h".to_owned(), "secret".to_owned());
        LocalHost { url, key, workspace: "local".to_owned(), pid: 7, birth }
    }

    /// A machine on which process 7 has this state and birth.
    fn machine(boot: &str, state: &str, ticks: &str) -> impl Fn(&str) -> io::Result<String> {
        let stat = format!("7 (a) Z 1 (b) {state} 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0 0");
        let boot = format!("{boot}\n");
        move |path| match path {
            "/proc/sys/kernel/random/boot_id" => Ok(boot.clone()),
            "/proc/7/stat" => Ok(stat.clone()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{:?}", host(None)).contains("secret"));
    }

    #[test]
    fn only_the_process_that_wrote_it_is_the_host() {
        let birth = || Some(Birth { boot: "b".to_owned(), ticks: 123 });
        assert!(host(birth()).runs(machine("b", "S", "123")));
        assert!(!host(birth()).runs(machine("b", "S", "124")), "another process has its number");
        assert!(!host(birth()).runs(machine("c", "S", "123")), "the machine was started again");
        assert!(!host(birth()).runs(machine("b", "Z", "123")), "it was killed");
        assert!(!host(birth()).runs(machine("b", "S", "x")));
        assert!(!host(birth()).runs(|_| Err(io::ErrorKind::NotFound.into())), "nothing can be proven");
        assert!(!host(birth()).runs(|_| Ok(String::new())));
        assert!(!host(None).runs(machine("b", "S", "123")), "nothing can be proven of one that says nothing");
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
