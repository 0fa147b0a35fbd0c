//! A host that an ordinary user runs.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use crate::place::{Host, Place, eventually};

/// Nobody.
const USER: u32 = 65534;

#[test]
fn an_ordinary_users_sandbox_mounts_drives_and_what_runs_in_it_may_not() {
    let place = Place::new();
    let mut command = place.command();
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        chown(place.path(), Some(USER), Some(USER)).unwrap();
        command.uid(USER).gid(USER);
        let mut tried = place.command();
        tried.uid(USER).gid(USER).arg("--version").stdout(Stdio::null());
        if !tried.status().is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: an ordinary user cannot execute {}", env!("CARGO_BIN_EXE_reveille"));
            return;
        }
    }
    let host = Host::started_by(command, &[]);
    if !host.mounts() {
        eprintln!("SKIPPED: no namespaces for an ordinary user here: {}", host.about["isolation"]);
        return;
    }
    place.run(["create", "box"]).done();
    let at = place.path().join("mounted").display().to_string();
    let mount = || place.run(["drive", "mount", "box", "data", &at]).done();
    let unmount = || place.run(["drive", "unmount", "box", &at]).done();
    let rights =
        || place.run(["exec", "box", "--", "grep -E 'CapEff|CapAmb' /proc/self/status"]).done().text();
    let none = "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n";

    mount();
    assert_eq!(rights(), none);
    unmount();
    place.run(["upgrade", "box"]).done();
    eventually("the upgrade is over", || {
        place.run(["health", "box", "--json"]).done().json()["upgradeCount"] == 1
    });
    mount();
    assert_eq!(rights(), none);
}
