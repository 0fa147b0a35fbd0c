//! Nothing from outside speaks to the terminal.

use std::process::Command;

use reveille_faults::{FaultServer, Script, Step};
use serde_json::json;

use crate::place::{Place, Said, said};

/// Clears the screen, sets the title, and turns the direction of writing: as C0, as C1, and by itself.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\u{2066}\u{7f}\r\n\u{200b}y";

fn speaks(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
}

/// Whether what was said shows the hostile text, and only shows it.
#[track_caller]
fn harmless(said: &Said) {
    for text in [said.text(), said.err.clone()] {
        assert!(!text.contains(speaks), "{said:?}");
    }
    assert!((said.text() + &said.err).contains("2J"), "it is not shown at all: {said:?}");
}

fn at(place: &Place, server: &FaultServer) -> Command {
    let mut command = place.command();
    command.env("BL_API_URL", format!("{}/v0", server.url())).env("BL_RUN_URL", server.url());
    command.env("BL_API_KEY", "key").env("BL_WORKSPACE", "acme").env("BL_SANDBOX_READ_RETRIES", "0");
    command
}

/// Every command that shows what a server says, and what this one says to it.
fn commands() -> Vec<(&'static str, serde_json::Value)> {
    let sandbox = json!({
        "metadata": {
            "name": HOSTILE, "workspace": HOSTILE, "url": HOSTILE, "createdAt": HOSTILE,
            "labels": {HOSTILE: HOSTILE},
        },
        "spec": {"region": HOSTILE, "runtime": {"image": HOSTILE, "ttl": HOSTILE}},
        "status": HOSTILE, "state": HOSTILE, "lastUsedAt": HOSTILE,
    });
    let mount = json!({"driveName": HOSTILE, "mountPath": HOSTILE, "drivePath": HOSTILE, "success": true,
                       "message": HOSTILE});
    vec![
        ("list", json!([sandbox])),
        ("get box", sandbox.clone()),
        ("create box", sandbox.clone()),
        ("sleep box", sandbox.clone()),
        ("wake box", sandbox.clone()),
        ("delete box", sandbox),
        (
            "health box",
            json!({"status": HOSTILE, "version": HOSTILE, "gitCommit": HOSTILE, "buildTime": HOSTILE,
                              "goVersion": HOSTILE, "os": HOSTILE, "arch": HOSTILE, "upgradeCount": 0, "uptime": HOSTILE,
                              "uptimeSeconds": 1.0, "startedAt": HOSTILE, "lastUpgrade": {}}),
        ),
        ("drive list box", json!({"mounts": [mount]})),
        ("drive mount box data /mnt", mount.clone()),
        ("drive unmount box /mnt", mount),
        ("upgrade box --no-wait", json!({"status": HOSTILE, "message": HOSTILE, "version": HOSTILE})),
        (
            "exec -d box -- true",
            json!({"name": HOSTILE, "pid": HOSTILE, "status": "running", "command": HOSTILE,
                                       "startedAt": HOSTILE, "exitCode": 0, "workingDir": HOSTILE}),
        ),
    ]
}

#[test]
fn what_a_server_names_reaches_the_terminal_without_control_characters() {
    let place = Place::new();
    for (line, answer) in commands() {
        let body = answer.to_string();
        let server =
            FaultServer::start(Script::new().then(Step::ok(body).header("content-type", "application/json")))
                .unwrap();
        for flags in [&[][..], &["--json"]] {
            let said = said(at(&place, &server).args(line.split(' ')).args(flags));
            assert!(!server.arrivals().is_empty(), "{line}: {said:?}");
            harmless(&said.done());
        }
    }
}

#[test]
fn why_an_upgrade_failed_reaches_the_terminal_without_control_characters() {
    let place = Place::new();
    let answer = json!({"message": "begun", "version": HOSTILE, "lastUpgrade": {"status": "failed", "error": HOSTILE}});
    let server = FaultServer::start(Script::new().then(Step::ok(answer.to_string()))).unwrap();
    let said = said(at(&place, &server).args(["upgrade", "box"]));
    assert_eq!(said.code, Some(1), "{said:?}");
    harmless(&said);
}

#[test]
fn what_a_server_complains_of_reaches_the_terminal_without_control_characters() {
    let place = Place::new();
    let body = json!({"error": HOSTILE, "message": HOSTILE, "code": HOSTILE}).to_string();
    for (line, _) in commands() {
        for status in [400, 401, 404, 409, 422, 500] {
            let answer = Step::status(status).body(body.clone()).header("content-type", "application/json");
            let server = FaultServer::start(Script::new().then(answer)).unwrap();
            for flags in [&[][..], &["--json"]] {
                let said = said(at(&place, &server).args(line.split(' ')).args(flags));
                assert_ne!(said.code, Some(0), "{line}: {said:?}");
                assert!(!(said.text() + &said.err).contains(speaks), "{line}, {status}: {said:?}");
            }
        }
    }
}

#[test]
fn the_bytes_of_a_page_are_data_and_stay_as_they_are() {
    let place = Place::new();
    let server = FaultServer::start(Script::new().then(Step::ok(HOSTILE))).unwrap();
    let said = place.run(["fetch", &server.url(), "80", "/"]).done();
    assert_eq!(said.text(), HOSTILE);
    let said = place.run(["fetch", &server.url(), "80", "/", "--json"]).done();
    assert!(!said.text().contains(speaks), "{said:?}");
    assert_eq!(said.json()["body"], HOSTILE);
}

#[test]
fn what_somebody_typed_is_shown_without_control_characters() {
    let place = Place::new();
    for line in [["get", HOSTILE], ["health", HOSTILE], ["faults", HOSTILE], ["create", HOSTILE]] {
        let said = place.run(line);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(!(said.text() + &said.err).contains(speaks), "{said:?}");
    }
}
