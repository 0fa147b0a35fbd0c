//! Whatever a host started ends with it, however it ends.

use std::fs;

use crate::place::{Host, Place, eventually};

/// Whether a process with this word among its arguments runs.
fn runs(word: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    })
}

/// A number of seconds that no other test sleeps for.
fn start_sleeper(place: &Place, seconds: &str) {
    place.run(["create", "box"]).done();
    place.run(["exec", "box", "--", "echo kept > file.txt"]).done();
    place.run(["exec", "-d", "box", "--", "sleep", seconds]).done();
    eventually("it runs", || runs(seconds));
}

#[test]
fn ctrl_c_ends_every_process_and_keeps_the_files() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    start_sleeper(&place, "98127301");
    assert!(host.signal("INT").success());
    assert!(!runs("98127301"));
    assert!(!place.path().join("state/reveille/host.json").exists());

    let _host = Host::start(&place, &[]);
    assert_eq!(place.run(["exec", "box", "--", "cat file.txt"]).done().text(), "kept\n");
}

#[test]
fn after_kill_9_everything_is_dead_or_found_by_the_next_host() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    start_sleeper(&place, "98127302");
    place.run(["sleep", "box"]).done();
    host.signal("KILL");

    let _host = Host::start(&place, &[]);
    eventually("what was left is ended", || !runs("98127302"));
    assert_eq!(place.run(["exec", "box", "--", "cat file.txt"]).done().text(), "kept\n");
    assert!(!runs("98127302"));
}

#[test]
fn a_host_that_is_down_is_named_with_what_to_do() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    host.signal("KILL");
    let said = place.run(["health", "box", "--retries", "0"]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.err.contains("does not answer: connection refused"), "{said:?}");
    assert!(said.err.contains("reveille host"), "{said:?}");
}
