//! A host that an ordinary user runs.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::place::{Host, Place, eventually, said};

/// Nobody.
const USER: u32 = 65534;

/// `reveille` as an ordinary user's, where one can execute it.
fn ordinary(place: &Place) -> Option<Command> {
    let mut command = place.command();
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Some(command);
    }
    chown(place.path(), Some(USER), Some(USER)).unwrap();
    command.uid(USER).gid(USER);
    let mut tried = place.command();
    tried.uid(USER).gid(USER).arg("--version").stdout(Stdio::null());
    if !tried.status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: an ordinary user cannot execute {}", env!("CARGO_BIN_EXE_reveille"));
        return None;
    }
    Some(command)
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let place = Place::new();
    let Some(command) = ordinary(&place) else { return };
    let _host = Host::started_by(command, &[]);
    place.run(["create", "box"]).done();
    let file = place.path().join("tree/file");
    std::fs::create_dir(place.path().join("tree")).unwrap();
    std::fs::write(&file, "x").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    for from in ["tree/file", "tree"] {
        let mut command = ordinary(&place).unwrap();
        let said = said(command.args(["cp", from, "box:to"]).stdin(Stdio::null()));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("file cannot be read: Permission denied"), "{said:?}");
    }
}

#[test]
fn an_ordinary_users_sandbox_mounts_drives_and_what_runs_in_it_may_not() {
    let place = Place::new();
    let Some(command) = ordinary(&place) else { return };
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
