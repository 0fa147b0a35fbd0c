//! What a host tells its operator, and the keys that its operator gives to others.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::attended::Seat;
use crate::place::{Host, Place, eventually, said, signal};

#[test]
fn the_status_counts_those_that_run_and_those_that_sleep_and_wakes_none() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let none = place.run(["status"]).done();
    assert!(none.text().contains("0 running, 0 in standby"), "{none:?}");
    for name in ["awake", "asleep"] {
        place.run(["create", name]).done();
    }
    place.run(["sleep", "asleep"]).done();
    for _ in 0..2 {
        let said = place.run(["status"]).done();
        assert!(said.text().contains("1 running, 1 in standby"), "{said:?}");
        let (awake, asleep) = (said.text().find("\nawake").unwrap(), said.text().find("\nasleep").unwrap());
        assert!(awake < asleep, "those that run come first: {said:?}");
    }
    let json = place.run(["status", "--json"]).done().json();
    assert_eq!((&json["running"], &json["standby"], &json["other"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(json["sandboxes"].as_array().unwrap().len(), 2);
}

#[test]
fn on_a_terminal_the_status_goes_on_until_ctrl_c_and_leaves_it_as_it_was() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let mut seat = Seat::take(&place, &["status", "--every", "50ms"]);
    eventually("it goes on", || seat.screen().matches("0 running").count() > 2);
    signal(seat.pid(), "INT");
    seat.code();
    let lines_wrap_again = || {
        let text = seat.screen();
        let [off, on] = ["\u{1b}[?7l", "\u{1b}[?7h"].map(|mode| text.matches(mode).count());
        on > 0 && on == off
    };
    eventually("it is left as it was", lines_wrap_again);
}

#[test]
fn a_unit_runs_the_host_with_the_flags_it_was_asked_for_with() {
    let place = Place::new();
    let file = place.path().join("reveille.service");
    let said = place.run(["host", "--print-unit", "--listen", "127.0.0.1:7979", "--data", "da ta%"]).done();
    let unit = said.text();
    std::fs::write(&file, &unit).unwrap();
    let start = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert!(start.contains(" host --listen 127.0.0.1:7979 --data "), "{start}");
    assert!(start.contains("da ta%%\"") && !start.contains("print-unit"), "{start}");
    assert!(unit.contains("\nDelegate=yes\n") && unit.contains("\nTimeoutStopSec=60\n"), "{unit}");
    let mut elsewhere = place.command();
    elsewhere.args(["host", "--print-unit"]).env("REVEILLE_HOST_LISTEN", "127.0.0.1:7980");
    assert!(crate::place::said(&mut elsewhere).done().text().contains("--listen 127.0.0.1:7980"));
    assert_eq!(place.run(["host", "--print-unit", "--reject-with", "404"]).code, Some(2));
    match Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&file).output() {
        Err(_) => eprintln!("SKIPPED: there is no systemd-analyze here to read the unit"),
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!complaint.contains("reveille.service"), "{complaint}");
        }
    }
}

#[test]
fn an_access_log_has_a_line_of_json_for_each_request() {
    let place = Place::new();
    let log = place.path().join("access.log");
    let host = Host::start(&place, &["--access-log", log.to_str().unwrap()]);
    place.run(["create", "box"]).done();
    place.run(["health", "box"]).done();
    drop(host);
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |method: &str, path: &str| {
        lines.iter().any(|line| line["method"] == method && line["path"] == path && line["status"] == 200)
    };
    assert!(has("POST", "/v0/sandboxes") && has("GET", "/local/sandboxes/box/health"), "{text}");
}

#[test]
fn a_key_is_shown_once_opens_the_host_and_is_revoked() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let made = place.run(["key", "create", "ci", "--expires", "30d"]).done();
    let key = made.text().trim().to_owned();
    assert!(key.starts_with("rv_") && !key.contains(char::is_whitespace), "{made:?}");
    let list = place.run(["key", "list"]).done();
    assert!(list.text().contains("ci") && !list.text().contains(&key), "{list:?}");
    let url = place.run(["host", "status", "--json"]).done().json()["url"].as_str().unwrap().to_owned();
    let guest = |words: &[&str]| {
        let mut command = place.command();
        command.env("BL_API_URL", format!("{url}/v0")).env("BL_RUN_URL", &url);
        said(command.env("BL_WORKSPACE", "local").env("BL_API_KEY", &key).args(words))
    };
    guest(&["create", "box"]).done();
    assert_eq!(guest(&["exec", "box", "--", "echo hello"]).done().text(), "hello\n");
    assert_eq!(guest(&["key", "create", "more"]).code, Some(1));
    place.run(["key", "revoke", "ci"]).done();
    let refused = guest(&["list"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(place.run(["key", "revoke", "ci"]).code, Some(1));
}

#[test]
fn what_could_not_be_shown_is_a_failure_also_where_it_is_help() {
    let place = Place::new();
    for word in ["help", "--version"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = place.command();
        let output = command
            .arg(word)
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains("the disk is full"), "{output:?}");
        // Whoever reads no further has seen enough.
        let mut command = place.command();
        assert!(command.arg(word).stdout(std::io::pipe().unwrap().1).status().unwrap().success());
    }
}

#[test]
fn a_key_that_nobody_could_see_opens_nothing_and_leaves_its_name_free() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    // Nobody has the other end any more.
    let closed = || std::io::pipe().unwrap().1.into();
    let unseen: [&dyn Fn() -> std::process::Stdio; 2] = [&full, &closed];
    for output in unseen {
        for format in [None, Some("--json")] {
            let mut command = place.command();
            command.args(["key", "create", "ci"]).args(format).stdout(output()).stderr(Stdio::piped());
            let output = command.spawn().unwrap().wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(1) && told.contains("revoked"), "{told}");
            assert!(place.run(["key", "list"]).done().text().is_empty());
        }
    }
    place.run(["key", "create", "ci"]).done();
}
