//! Images, as somebody at a prompt uses them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::place::{Host, Place};

/// A directory with a shell and what that is linked to; `false` where this machine does not tell what that is.
fn root(at: &Path) -> bool {
    let linked = Command::new("ldd").arg("/bin/sh").output().ok().filter(|linked| linked.status.success());
    let Some(linked) = linked else { return false };
    let linked = String::from_utf8(linked.stdout).unwrap();
    for file in linked.split_whitespace().filter(|word| word.starts_with('/')).chain(["/bin/sh"]) {
        let to = at.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    true
}

#[test]
fn a_directory_becomes_an_image_and_a_sandbox_is_made_of_it() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let directory = place.path().join("rootfs");
    if !root(&directory) {
        eprintln!("SKIPPED: this machine has no `ldd`, or its shell is linked to nothing");
        return;
    }
    let early = place.run(["create", "small", "--image", "tiny"]);
    assert_eq!(early.code, Some(1));
    assert!(early.err.contains("no image called tiny:latest"), "{early:?}");
    assert_eq!(place.run(["image", "import", "rootfs", "tiny"]).done().text(), "tiny:latest is imported\n");
    let listed = place.run(["image", "list"]).done().text();
    assert!(listed.contains("NAME") && listed.contains("tiny:latest"), "{listed}");
    let made = place.run(["create", "small", "--image", "tiny"]);
    if made.err.contains("root of its own") || made.err.contains("overlays") {
        eprintln!("SKIPPED: this machine cannot give sandboxes a root of their own");
        return;
    }
    made.done();
    let said = place.run(["exec", "small", "--", "[ -e /usr ] || echo nothing of the machine"]).done();
    assert_eq!(said.text(), "nothing of the machine\n");
    let kept = place.run(["image", "rm", "tiny"]);
    assert!(kept.code == Some(1) && kept.err.contains("small"), "{kept:?}");
    place.run(["delete", "small"]).done();
    assert_eq!(place.run(["image", "rm", "tiny"]).done().text(), "tiny:latest is removed\n");
    assert_eq!(place.run(["--json", "image", "list"]).done().text().trim(), "[]");
}

#[test]
fn what_is_no_image_is_said_and_nothing_is_imported() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let text = place.feed(&["image", "import", "-", "mine"], b"some text, and no archive at all");
    assert!(text.code == Some(1) && text.err.contains("no image that can be used"), "{text:?}");
    let missing = place.run(["image", "import", "nowhere.tar", "mine"]);
    assert!(missing.code == Some(2) && missing.err.contains("nowhere.tar"), "{missing:?}");
    let name = place.run(["image", "rm", "mine"]);
    assert!(name.code == Some(1) && name.err.contains("no image called mine:latest"), "{name:?}");
    // A socket in it is nothing that an image can have.
    let directory = place.path().join("rootfs");
    fs::create_dir(&directory).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();
    fs::write(directory.join("file"), "x").unwrap();
    let odd = place.run(["image", "import", "rootfs", "odd"]);
    let listed = place.run(["image", "list"]).done().text();
    assert_eq!(odd.code == Some(0), listed.contains("odd:latest"), "{odd:?}: {listed}");
}
