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
fn what_a_host_in_the_background_tells_of_itself_has_no_colours() {
    let place = Place::new();
    let mut command = place.command();
    command.args(["host", "-d", "--listen", "127.0.0.1:0"]).env("REVEILLE_LOG", "info");
    let begun = crate::place::said(&mut command).done();
    let _stopped = Stopped(&place);
    place.run(["create", "box"]).done();
    let log = place.path().join("state/reveille/host.log");
    eventually("it tells something", || fs::read_to_string(&log).unwrap().contains("INFO"));
    assert!(begun.err.contains("INFO") && !begun.err.contains('\u{1b}'), "{begun:?}");
    assert!(!fs::read_to_string(&log).unwrap().contains('\u{1b}'));
}

#[test]
fn a_host_goes_to_the_background_also_where_nobody_reads_what_it_says() {
    let place = Place::new();
    let begin = |flags: &[&str]| {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let mut command = place.command();
        command.args(["host", "-d", "--listen", "127.0.0.1:0"]).args(flags);
        let begun = command.stdout(write.try_clone().unwrap()).stderr(write).status().unwrap();
        assert!(begun.success(), "{begun:?}");
    };
    begin(&[]);
    let _stopped = Stopped(&place);
    place.run(["create", "box"]).done();
    place.run(["exec", "-d", "box", "--", "sleep 1000"]).done();
    begin(&["--replace"]);
    assert!(place.run(["ps", "box", "--json"]).done().text().contains("\"running\""));
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

#[test]
fn a_host_that_is_replaced_hands_over_what_runs() {
    let place = Place::new();
    place.run(["host", "-d", "--listen", "127.0.0.1:0"]).done();
    let _stopped = Stopped(&place);
    place.run(["create", "box"]).done();
    place
        .run([
            "exec",
            "-d",
            "--name",
            "counter",
            "box",
            "--",
            "for i in $(seq 100000); do echo $i; sleep 0.01; done",
        ])
        .done();
    let pid = |place: &Place| place.run(["host", "status", "--json"]).done().json()["pid"].clone();
    let mut before = pid(&place);
    for _ in 0..3 {
        place.run(["host", "-d", "--replace", "--listen", "127.0.0.1:0"]).done();
        let now = pid(&place);
        assert_ne!(now, before);
        before = now;
        assert!(place.run(["ps", "box", "--json"]).done().text().contains("\"running\""));
    }
    let counted = place.run(["logs", "box", "counter"]).done().text();
    let numbers: Vec<usize> = counted.lines().filter_map(|line| line.trim().parse().ok()).collect();
    assert!(
        numbers.iter().copied().eq(1..=numbers.len()),
        "nothing is lost and nothing comes twice: {counted}"
    );

    let left = place.run(["host", "stop", "--leave-running"]).done();
    assert!(left.text().contains("goes on"), "{left:?}");
    assert_eq!(place.run(["host", "status"]).code, Some(1));
    // Where no host has the data there is nobody to replace.
    place.run(["host", "-d", "--replace", "--listen", "127.0.0.1:0"]).done();
    assert!(place.run(["ps", "box", "--json"]).done().text().contains("\"running\""));
    place.run(["host", "stop"]).done();
}

#[test]
fn workspaces_of_one_host_have_sandboxes_and_keys_of_their_own() {
    let place = Place::new();
    place.run(["host", "-d", "--listen", "127.0.0.1:0", "--add-workspace", "team"]).done();
    let _stopped = Stopped(&place);
    for workspace in [&[][..], &["--workspace", "team"]] {
        let run = |words: &[&str]| place.run(workspace.iter().chain(words).copied()).done().text();
        assert_eq!(run(&["list"]), "");
        run(&["create", "box"]);
        assert_eq!(run(&["exec", "box", "--", "cat file 2>/dev/null; echo $$ > file"]), "");
        assert_eq!(run(&["list"]).lines().count(), 2);
    }
    let key = place.run(["key", "create", "ci", "--workspace", "team", "--json"]).done().json();
    let status = place.run(["host", "status", "--json"]).done().json();
    let mut command = place.command();
    command.env("BL_API_KEY", key["key"].as_str().unwrap()).env("BL_WORKSPACE", "team");
    let url = status["url"].as_str().unwrap();
    command.env("BL_API_URL", format!("{url}/v0")).env("BL_RUN_URL", url);
    assert_eq!(crate::place::said(command.args(["exec", "box", "--", "echo here"])).done().text(), "here\n");
    let foreign = crate::place::said(command.env("BL_WORKSPACE", "local"));
    assert_eq!(foreign.code, Some(1), "{foreign:?}");
}
