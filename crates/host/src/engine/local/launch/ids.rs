//! Which users a sandbox has.

use std::fs;
use std::io;
use std::path::PathBuf;

use rustix::process::{getegid, geteuid};

/// Which ids there are in a user namespace, in the form that the kernel takes: every one means itself.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    pub(super) users: String,
    pub(super) groups: String,
    setgroups: Setgroups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setgroups {
    Allowed,
    Denied,
}

impl Ids {
    /// Those that a sandbox of this host has: for root, all that exist here; for anybody else, their own.
    pub(super) fn of_this_host() -> io::Result<Self> {
        if geteuid().is_root() {
            let users = every_id("/proc/self/uid_map")?;
            let groups = every_id("/proc/self/gid_map")?;
            return Ok(Self { users, groups, setgroups: Setgroups::Allowed });
        }
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let (users, groups) = (format!("{user} {user} 1"), format!("{group} {group} 1"));
        // Without this nobody but root may map a group: dropping one could open what is closed to it.
        Ok(Self { users, groups, setgroups: Setgroups::Denied })
    }

    /// Gives them to a process that has just got a user namespace.
    pub(super) fn map(&self, pid: i32) -> io::Result<()> {
        let place = PathBuf::from(format!("/proc/{pid}"));
        fs::write(place.join("uid_map"), &self.users)?;
        if self.setgroups == Setgroups::Denied {
            fs::write(place.join("setgroups"), "deny")?;
        }
        fs::write(place.join("gid_map"), &self.groups)
    }
}

/// A map in which every id that exists here means itself.
fn every_id(own_map: &str) -> io::Result<String> {
    let mut map = String::new();
    for line in fs::read_to_string(own_map)?.lines() {
        let mut fields = line.split_ascii_whitespace();
        if let (Some(first), _, Some(count)) = (fields.next(), fields.next(), fields.next()) {
            map.push_str(&format!("{first} {first} {count}\n"));
        }
    }
    Ok(map)
}
