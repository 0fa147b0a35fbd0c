//! What becomes of what a host has started, however it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::place::{Host, Place, eventually, signal};

/// Whether a process with this word among its arguments runs.
pub(crate) fn runs(word: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    })
}

/// A number of seconds that nothing else on this machine sleeps for.
pub(crate) fn seconds_of_its_own() -> String {
    fastrand::u64(1_000_000_000..10_000_000_000).to_string()
}

/// Starts a process that sleeps, and gives for how many seconds.
fn start_sleeper(place: &Place) -> String {
    let seconds = seconds_of_its_own();
    place.run(["create", "box"]).done();
    place.run(["exec", "box", "--", "echo kept > file.txt"]).done();
    place.run(["exec", "-d", "box", "--", "sleep", &seconds]).done();
    eventually("it runs", || runs(&seconds));
    seconds
}

#[test]
fn ctrl_c_ends_every_process_and_keeps_the_files() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    let sleeper = start_sleeper(&place);
    assert!(host.signal("INT").success());
    assert!(!runs(&sleeper));
    assert!(!place.path().join("state/reveille/host.json").exists());

    let _host = Host::start(&place, &[]);
    assert_eq!(place.run(["exec", "box", "--", "cat file.txt"]).done().text(), "kept\n");
}

#[test]
fn a_host_that_is_told_to_end_answers_what_runs_and_refuses_what_is_new() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| place.run(["exec", "box", "--", "touch begun; sleep 2; echo through"]));
        eventually("it runs", || place.run(["exec", "--no-probe", "box", "--", "cat begun"]).code == Some(0));
        signal(host.pid(), "TERM");
        eventually("what is new is refused", || {
            let said = place.run(["health", "box", "--retries", "0", "--json"]);
            said.code != Some(0)
        });
        running.join().unwrap()
    });
    assert_eq!(running.done().text(), "through\n");
    assert!(host.signal("0").success(), "it ends by itself");
}

#[test]
fn after_kill_9_everything_goes_on_with_the_next_host_and_ends_with_that() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    let sleeper = start_sleeper(&place);
    place.run(["sleep", "box"]).done();
    host.signal("KILL");

    let mut host = Host::start(&place, &[]);
    assert!(place.run(["list"]).done().text().contains("box   standby"));
    assert_eq!(place.run(["exec", "box", "--", "cat file.txt"]).done().text(), "kept\n");
    assert!(runs(&sleeper));
    assert!(place.run(["ps", "box"]).done().text().contains(&format!("sleep {sleeper}")));
    assert!(host.signal("TERM").success());
    assert!(!runs(&sleeper));
}

#[test]
fn a_host_that_was_killed_is_named_with_what_to_do_and_its_key_goes_to_nobody() {
    let place = Place::new();
    let mut host = Host::start(&place, &[]);
    let address = host.url().strip_prefix("http://").unwrap().to_owned();
    host.signal("KILL");
    let impostor = std::net::TcpListener::bind(address).unwrap();
    impostor.set_nonblocking(true).unwrap();
    let said = place.run(["health", "box", "--retries", "0"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("runs no more") && said.err.contains("reveille host"), "{said:?}");
    assert_eq!(impostor.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody asked it");
}

#[test]
fn a_second_host_leaves_the_first_one_to_be_found() {
    let place = Place::new();
    let first = Host::start(&place, &[]);
    let data = place.path().join("other");
    let mut second = Host::start(&place, &["--data", data.to_str().unwrap()]);
    place.run(["create", "box"]).done();
    assert!(second.signal("INT").success());
    place.run(["exec", "box", "--", "true"]).done();
    let found = place.run(["host", "status", "--json"]).done().json();
    assert_eq!(found["url"], *first.url());
}

#[test]
fn one_that_is_not_found_says_how_it_is_reached_and_nothing_else() {
    let place = Place::new();
    let _first = Host::start(&place, &[]);
    let mut command = place.command();
    command.args(["host", "--listen", "127.0.0.1:0", "--data", "other"]).stdin(Stdio::null());
    let mut second = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(second.stderr.take().unwrap());
    while !said.contains("export BL_API_URL=") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "{said}");
    }
    signal(second.id(), "INT");
    assert!(second.wait().unwrap().success());
    assert!(!said.contains("reveille create box"), "{said}");
}

#[test]
fn the_key_stays_over_restarts_and_is_no_argument() {
    let place = Place::new();
    let key = || {
        let file = fs::read(place.path().join("state/reveille/host.json")).unwrap();
        let host: serde_json::Value = serde_json::from_slice(&file).unwrap();
        host["key"].as_str().unwrap().to_owned()
    };
    let mut host = Host::start(&place, &[]);
    let before = key();
    place.run(["create", "box"]).done();
    let shown = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.windows(before.len()).any(|part| part == before.as_bytes())
    });
    assert!(!shown);
    host.signal("KILL");
    let _host = Host::start(&place, &[]);
    assert_eq!(key(), before);
    assert_ne!(place.run(["host", "--key", "mine"]).code, Some(0), "there is no such flag");
}
