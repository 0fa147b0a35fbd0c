//! Which users a sandbox has.

use std::fs;
use std::io;
use std::path::PathBuf;

use rustix::process::{getegid, geteuid};

/// Maps the users of a process that has just got a user namespace.
pub(super) fn map_ids(pid: i32) -> io::Result<()> {
    let place = PathBuf::from(format!("/proc/{pid}"));
    if geteuid().is_root() {
        fs::write(place.join("uid_map"), every_id("/proc/self/uid_map")?)?;
        return fs::write(place.join("gid_map"), every_id("/proc/self/gid_map")?);
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    fs::write(place.join("uid_map"), format!("{user} {user} 1"))?;
    // Without this nobody but root may map a group: dropping one could open what is closed to it.
    fs::write(place.join("setgroups"), "deny")?;
    fs::write(place.join("gid_map"), format!("{group} {group} 1"))
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
