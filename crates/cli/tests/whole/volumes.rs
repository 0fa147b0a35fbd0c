//! Volumes, as somebody at a prompt uses them.

use crate::place::{Host, Place};

#[test]
fn a_volume_is_made_attached_enlarged_and_deleted() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    assert_eq!(place.run(["volume", "create", "data", "--size", "64m"]).done().text(), "data is there\n");
    assert_eq!(place.run(["volume", "resize", "data", "128m"]).done().text(), "data has its new size\n");
    let smaller = place.run(["volume", "resize", "data", "1m"]);
    assert!(smaller.code == Some(1) && smaller.err.contains("shrink"), "{smaller:?}");
    for (command, name) in [("create", "data"), ("delete", "none")] {
        let refused = place.run(["volume", command, name]);
        assert!(refused.code == Some(1) && refused.err.contains("reveille volume list"), "{refused:?}");
    }
    let mount = format!("data:{}", place.path().join("inside").display());
    let made = place.run(["create", "box", "--volume", &mount]);
    if made.err.contains("mount") {
        eprintln!("SKIPPED: sandboxes can mount nothing on this machine");
        return;
    }
    made.done();
    let write = format!("echo kept > {0}/file; cat {0}/file", place.path().join("inside").display());
    assert_eq!(place.run(["exec", "box", "--", &write]).done().text(), "kept\n");
    let listed = place.run(["volume", "list"]).done().text();
    let line: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(line, ["data", "128", "MB", "box"]);
    let taken = place.run(["create", "other", "--volume", &format!("{mount}:ro")]);
    let told = taken.err.contains("box") && taken.err.contains("reveille volume list");
    assert!(taken.code == Some(1) && told, "{taken:?}");
    let held = place.run(["volume", "delete", "data"]);
    assert!(held.code == Some(1) && held.err.contains("box"), "{held:?}");
    place.run(["delete", "box"]).done();
    assert_eq!(place.run(["volume", "rm", "data"]).done().text(), "data is gone, with its files\n");
    assert_eq!(place.run(["create", "box", "--volume", "data"]).code, Some(2));
}
