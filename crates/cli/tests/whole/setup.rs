//! What a shell and the manual get.

use std::fs;
use std::process::Stdio;

use crate::place::{Host, Place, eventually, said};

#[test]
fn one_command_installs_completion_and_manual_and_says_where() {
    let place = Place::new();
    for _ in 0..2 {
        let written = place.run(["setup"]).done().text();
        assert_eq!(written.lines().count(), 4, "{written}");
        assert!(written.lines().all(|path| fs::metadata(path).is_ok()), "{written}");
    }
    let data = place.path().join(".local/share");
    assert!(fs::read_to_string(data.join("man/man1/reveille-fetch.1")).unwrap().contains("write"));
    assert!(!data.join("man/man1/reveille-agent.1").exists());
    let script = fs::read_to_string(data.join("bash-completion/completions/reveille")).unwrap();
    assert_eq!(place.run(["setup", "--print", "bash"]).done().text(), script);

    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let said = place.run(["setup", "--data", file.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.err.contains("file"), "{said:?}");
}

#[test]
fn the_names_of_sandboxes_are_completed_where_one_is_wanted() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    for name in ["alpha", "alps", "beta"] {
        place.run(["create", name]).done();
    }
    let complete = |line: &[&str]| {
        let mut command = place.command();
        command
            .env("REVEILLE_COMPLETE", "bash")
            .env("_CLAP_IFS", "\n")
            .env("_CLAP_COMPLETE_INDEX", line.len().to_string());
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
        command.args(["--", "reveille"]).args(line).stdin(Stdio::null());
        said(&mut command).done().text()
    };
    // Whoever completes waits for no slow host, as a busy machine makes one.
    let completes = |line: &[&str], names: &str| eventually(names, || complete(line) == names);
    completes(&["get", "al"], "alps\nalpha");
    completes(&["delete", "beta", "alph"], "alpha");
    completes(&["fetch", "be"], "beta");
    completes(&["drive", "list", "b"], "beta");
    assert!(!complete(&["create", "al"]).contains("alpha"));
    assert!(complete(&["fet"]).contains("fetch"));
    place.run(["exec", "-d", "--name", "web", "beta", "--", "sleep 300"]).done();
    completes(&["logs", "-f", "beta", "w"], "web");
    completes(&["logs", "-f", "be"], "beta");
    place.run(["sleep", "beta"]).done();
    assert_eq!(complete(&["kill", "beta", "w"]), "", "a sandbox that sleeps is not woken for it");
    assert_eq!(place.run(["list", "--state", "standby", "--names"]).done().text(), "beta\n");
}

#[test]
fn a_host_that_is_not_there_keeps_nobody_who_pressed_a_key() {
    let place = Place::new();
    let mut command = place.command();
    command.env("REVEILLE_COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", "2");
    command.args(["--", "reveille", "get", "x"]).stdin(Stdio::null());
    assert_eq!(said(&mut command).done().text(), "");
}
