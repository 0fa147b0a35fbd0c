//! A host in the background.

use std::fs;

use crate::place::{Place, eventually};

/// Ends the host however the test does.
struct Stopped<'a>(&'a Place);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.run(["host", "stop"]);
    }
}

#[test]
fn a_host_in_the_background_listens_when_the_command_comes_back_and_ends_when_told() {
    let place = Place::new();
    let none = place.run(["host", "status"]);
    assert!(none.code == Some(1) && none.err.contains("reveille host -d"), "{none:?}");

    let begun = place.run(["host", "-d", "--listen", "127.0.0.1:0", "--log"]).done();
    let _stopped = Stopped(&place);
    assert!(begun.text().contains("listening") && begun.err.contains("reveille host stop"), "{begun:?}");
    place.run(["create", "box"]).done();
    assert!(place.run(["host", "status"]).done().text().contains("1 sandbox"));
    let status = place.run(["host", "status", "--json"]).done().json();
    let log = place.path().join("state/reveille/host.log");
    place.run(["exec", "box", "--", "true"]).done();
    eventually("the log goes on", || fs::read_to_string(&log).unwrap().contains("/process"));

    let stopped = place.run(["host", "stop"]).done();
    assert!(stopped.text().starts_with("stopped http://127.0.0.1:"), "{stopped:?}");
    let process = format!("/proc/{}/exe", status["pid"]);
    assert!(fs::read_link(&process).is_err(), "{process} is still there");
    assert_eq!(place.run(["host", "stop"]).code, Some(1));
}

#[test]
fn a_host_that_cannot_go_to_the_background_says_why_and_fails() {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let said = place.run(["host", "-d", "--listen", "127.0.0.1:0", "--data", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("--data"), "{said:?}");
}
