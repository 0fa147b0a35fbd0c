//! Upgrades: what stays, and what a failed one leaves as it was.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::asking::PATIENCE;
use crate::http::{self, Request};
use crate::running::Running;

#[test]
fn a_process_is_written_to_over_an_upgrade() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "cat", "name": "reader", "stdin": true}));
    assert_eq!(agent.write("reader", b"before "), 200);
    assert_eq!(agent.ask("POST", "/upgrade", None).0, 200);
    agent.upgraded(1);
    assert_eq!(agent.write("reader", b"after"), 200);
    assert_eq!(agent.ask("DELETE", "/process/reader/stdin", None).0, 200);
    let (_, ended) = agent.ask("GET", "/process/reader/wait", None);
    assert_eq!((&ended["status"], &ended["stdout"]), (&"completed".into(), &"before after".into()));
}

#[test]
fn processes_and_all_their_output_survive_one_upgrade_after_the_other() {
    let agent = Running::start(&[]);
    let command = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 7";
    let begun = agent.begin(&json!({"command": command, "name": "count"}));
    for count in 1..=2 {
        assert_eq!(agent.ask("POST", "/upgrade", None).0, 200);
        let health = agent.upgraded(count);
        assert_eq!(health["lastUpgrade"]["status"], "completed");
    }
    let ended = agent.wait_for("/process/count", |process| process["status"] == "failed");
    assert_eq!((&ended["exitCode"], &ended["pid"]), (&7.into(), &begun["pid"]));
    let all: String = (1..=100).map(|i| format!("{i}\n")).collect();
    assert_eq!(agent.ask("GET", "/process/count/logs", None).1["stdout"], all);
}

#[test]
fn what_was_promised_to_a_process_is_kept_by_the_next_agent() {
    let agent = Running::start(&[]);
    agent.begin(
        &json!({"command": "sleep 0.8; exit 1", "name": "again", "restartOnFailure": true, "maxRestarts": 1}),
    );
    agent.begin(&json!({"command": "sleep 300", "name": "brief", "keepAlive": true, "timeout": 1}));
    agent.ask("POST", "/upgrade", None);
    agent.upgraded(1);
    agent.wait_for("/process/brief", |process| process["status"] == "killed");
    agent.wait_for("/process/again", |process| process["status"] == "failed" && process["restartCount"] == 1);
}

#[test]
fn no_request_is_lost_over_upgrades() {
    let agent = Running::start(&[]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn({
                    let (agent, over) = (&agent, &over);
                    move || ask_on_and_on(agent, client, over)
                })
            })
            .collect();
        for count in 1..=3 {
            agent.ask("POST", "/upgrade", None);
            agent.upgraded(count);
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}

/// Puts one request after the other, most of them on a connection that is kept, and counts the answers.
fn ask_on_and_on(agent: &Running, client: usize, over: &AtomicBool) -> usize {
    let mut kept = None;
    let mut answers = 0;
    while !over.load(Ordering::Relaxed) {
        let stream = kept.take().unwrap_or_else(|| http::connect(&agent.host, PATIENCE).unwrap());
        let request = Request { method: "GET", target: "/process", ..Request::default() };
        let mut response = http::send(&stream, &agent.host, &request).unwrap();
        assert_eq!(response.status, 200);
        response.read().unwrap();
        answers += 1;
        if client > 0 && response.header("connection") != Some("close") {
            kept = Some(stream);
        }
    }
    answers
}

#[test]
fn a_follower_is_cut_rather_than_told_of_an_end_and_gets_everything_again() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "echo one; sleep 300", "name": "told"}));
    let mut stream = agent.send("GET", "/process/told/logs/stream", &[], None);
    let mut line = String::new();
    stream.body.read_line(&mut line).unwrap();
    assert_eq!(line, "stdout:one\n");
    agent.ask("POST", "/upgrade", None);
    agent.upgraded(1);
    assert!(stream.read().is_err(), "the stream must not look as if the process had ended");
    line.clear();
    agent.send("GET", "/process/told/logs/stream", &[], None).body.read_line(&mut line).unwrap();
    assert_eq!(line, "stdout:one\n");
}

#[test]
fn a_program_that_cannot_take_over_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "no program").unwrap();
    for (program, why) in [
        ("/no/such/program", "No such file"),
        (text.to_str().unwrap(), "it is no program"),
        ("/bin/true", "cannot take over"),
    ] {
        let agent = Running::start(&["--program", program]);
        assert_eq!(agent.ask("POST", "/upgrade", Some(&json!({"version": "v9"}))).1["version"], "v9");
        let health = agent.wait_for("/health", |health| health["lastUpgrade"]["status"] == "failed");
        let latest = &health["lastUpgrade"];
        assert!(latest["error"].as_str().unwrap().contains(why), "{latest}");
        assert_eq!((&health["upgradeCount"], &latest["version"]), (&0.into(), &"v9".into()));
        assert_eq!(agent.run("echo on")["stdout"], "on\n");
    }
}
