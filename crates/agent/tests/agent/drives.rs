//! Drives that are really mounted, in a namespace of the agent's own.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::running::Running;

/// An agent in a user and mount namespace of its own, where the system allows it.
fn agent(drives: &str) -> Option<Running> {
    let allowed = Command::new("unshare").args(["-Urm", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this system allows no user and mount namespaces, or has no `unshare`");
        return None;
    }
    Some(Running::inside("unshare", &["-Urm"], &["--drives", drives]))
}

#[test]
fn a_drive_is_mounted_into_the_running_sandbox_and_out_of_it_again() {
    let [drives, place] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let Some(agent) = agent(drives.path().to_str().unwrap()) else { return };
    let place = place.path().join("mnt").to_str().unwrap().to_owned();
    let wanted = json!({"driveName": "data", "mountPath": place});

    let (status, body) = agent.ask("POST", "/drives/mount", Some(&wanted));
    assert_eq!((status, &body["success"], &body["mountPath"]), (200, &true.into(), &place.clone().into()));
    agent.run(&format!("echo hello > {place}/f"));
    assert_eq!(std::fs::read_to_string(drives.path().join("data/f")).unwrap(), "hello\n");
    let (_, list) = agent.ask("GET", "/drives/mount", None);
    assert_eq!(list["mounts"][0]["driveName"], "data");

    assert_eq!(agent.ask("POST", "/drives/mount", Some(&wanted)).0, 200, "the same again changes nothing");
    let other = json!({"driveName": "other", "mountPath": place});
    assert_eq!(agent.ask("POST", "/drives/mount", Some(&other)).0, 409);

    assert_eq!(agent.ask("POST", "/upgrade", None).0, 200);
    agent.upgraded(1);
    assert_eq!(agent.ask("GET", "/drives/mount", None).1, list, "an upgrade knows of it");

    assert_eq!(agent.ask("DELETE", &format!("/drives/mount{place}"), None).0, 200);
    assert_eq!(agent.run(&format!("ls {place}"))["stdout"], "");
    assert_eq!(agent.ask("GET", "/drives/mount", None).1, json!({"mounts": []}));
    assert_eq!(agent.ask("DELETE", &format!("/drives/mount{place}"), None).0, 500);
}

#[test]
fn nothing_is_mounted_over_what_a_sandbox_cannot_live_without() {
    let [drives, place] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let Some(agent) = agent(drives.path().to_str().unwrap()) else { return };
    let link = place.path().join("link");
    std::os::unix::fs::symlink("/proc/self", &link).unwrap();
    for path in ["/proc/self", "/proc/1", "/proc", "/sys/kernel", "/dev/x", link.to_str().unwrap()] {
        let wanted = json!({"driveName": "data", "mountPath": path});
        let (status, body) = agent.ask("POST", "/drives/mount", Some(&wanted));
        assert_eq!(status, 400, "{path}: {body}");
        assert!(body["error"].as_str().unwrap().contains("a sandbox needs its /"), "{body}");
    }
    assert_eq!(agent.ask("POST", "/upgrade", None).0, 200);
    agent.upgraded(1);
}

#[test]
fn a_file_is_no_place_for_a_mount_and_stays_what_it_is() {
    let [drives, place] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let Some(agent) = agent(drives.path().to_str().unwrap()) else { return };
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("file"), "kept").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    for (path, named) in [
        ("file", "file"),
        ("file/below/it", "file"),
        ("link", "link"),
        ("link/below", "link"),
        ("dangling", "dangling"),
    ] {
        let wanted = json!({"driveName": "data", "mountPath": at(path)});
        let (status, body) = agent.ask("POST", "/drives/mount", Some(&wanted));
        assert_eq!(status, 400, "{path}: {body}");
        let why = body["error"].as_str().unwrap();
        assert!(why.ends_with(&format!("{} is no directory", at(named))), "{path}: {why}");
    }
    assert_eq!(std::fs::read_to_string(at("file")).unwrap(), "kept");
    assert_eq!(agent.ask("GET", "/drives/mount", None).1, json!({"mounts": []}));
}

#[test]
fn a_read_only_part_of_a_drive_cannot_be_written_to() {
    let [drives, place] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let Some(agent) = agent(drives.path().to_str().unwrap()) else { return };
    std::fs::create_dir_all(drives.path().join("data/part")).unwrap();
    std::fs::write(drives.path().join("data/part/f"), "inside").unwrap();
    let place = place.path().to_str().unwrap();
    let wanted = json!({"driveName": "data", "mountPath": place, "drivePath": "/part", "readOnly": true});
    assert_eq!(agent.ask("POST", "/drives/mount", Some(&wanted)).0, 200);
    let ended: Value = agent.run(&format!("cat {place}/f; echo x > {place}/g"));
    assert_eq!(ended["stdout"], "inside");
    assert!(ended["stderr"].as_str().unwrap().contains("Read-only"), "{ended}");
}

#[test]
fn without_drives_a_mount_says_why_and_everything_else_works() {
    let agent = Running::start(&["--no-drives", "the kernel forbids namespaces"]);
    let wanted = json!({"driveName": "d", "mountPath": "/mnt/d"});
    let (status, body) = agent.ask("POST", "/drives/mount", Some(&wanted));
    assert_eq!(status, 500);
    assert!(body["error"].as_str().unwrap().contains("the kernel forbids namespaces"), "{body}");
    assert_eq!(agent.ask("GET", "/drives/mount", None), (200, json!({"mounts": []})));
}
