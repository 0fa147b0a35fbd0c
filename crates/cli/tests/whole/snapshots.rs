//! Snapshots and forks, as somebody at a prompt uses them.

use crate::place::{Host, Place};

#[test]
fn a_sandbox_goes_back_to_a_snapshot_and_another_begins_as_it() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let put = |text: &str| place.run(["exec", "box", "--", &format!("echo {text} > kept")]).done();
    put("before");
    let taken = place.run(["snapshot", "create", "box", "clean"]).done().text();
    let id = taken.trim_end().strip_prefix("clean is taken, as ").unwrap().to_owned();
    put("after");
    assert_eq!(place.run(["fork", "box", "now", "-e", "MODE=trial"]).done().text(), "now is awake\n");
    let told = place.run(["snapshot", "restore", "box", "clean"]).done().text();
    assert_eq!(told, "box is as it was in clean\n");
    assert_eq!(place.run(["exec", "box", "--", "cat kept"]).done().text(), "before\n");
    assert_eq!(place.run(["exec", "now", "--", "cat kept; echo $MODE"]).done().text(), "after\ntrial\n");
    for listed in [place.run(["snapshot", "list"]), place.run(["snapshot", "ls", "box"])] {
        let listed = listed.done().text();
        let line: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!((line[0], line[1], *line.last().unwrap()), ("clean", "box", &*id), "{listed}");
    }
    place.run(["delete", "box"]).done();
    let listed = place.run(["snapshot", "list"]).done().text();
    assert!(listed.contains("box, gone"), "{listed}");
    assert_eq!(place.run(["snapshot", "fork", &id, "again"]).done().text(), "again is awake\n");
    assert_eq!(place.run(["exec", "again", "--", "cat kept"]).done().text(), "before\n");
    assert_eq!(place.run(["snapshot", "rm", &id]).done().text(), format!("{id} is gone\n"));
    for refused in [
        place.run(["snapshot", "rm", &id]),
        place.run(["snapshot", "restore", "again", "none"]),
        place.run(["snapshot", "create", "none"]),
        place.run(["fork", "again", "again"]),
        place.run(["fork", "none", "other"]),
    ] {
        assert!(refused.code == Some(1) && refused.out.is_empty(), "{refused:?}");
    }
    for wrong in [["fork", "again", "No Name"], ["fork", "again", ""]] {
        assert_eq!(place.run(wrong).code, Some(2));
    }
}
