//! A command in a sandbox of its own, of which nothing is left.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use reveille_faults::{FaultServer, Script, Step};
use serde_json::json;

use crate::place::{Host, Place, eventually, signal};

fn names(place: &Place) -> String {
    place.run(["list", "--names"]).done().text()
}

#[test]
fn a_sandbox_is_made_for_a_command_and_deleted_whatever_becomes_of_it() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let said = place.run(["run", "-e", "A=b", "-w", "/tmp", "--", "pwd; echo $A; echo err >&2; exit 3"]);
    assert_eq!((said.code, said.text().as_str(), said.err.as_str()), (Some(3), "/tmp\nb\n", "err\n"));
    assert_eq!(place.feed(&["run", "-i", "--name", "mine", "--", "cat"], b"in\xff").done().out, b"in\xff");
    assert_eq!(place.run(["run", "--", "/no/such/program"]).code, Some(127));
    assert_eq!(place.run(["run", "-w", "/no/such/folder", "--", "true"]).code, Some(1));
    assert_eq!(place.run(["run", "--", "kill -9 $$"]).code, Some(137));
    assert_eq!(names(&place), "");
    assert_eq!(place.run(["run", "image"]).code, Some(2), "there is no command");
}

#[test]
fn ctrl_c_leaves_no_sandbox_behind() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    for (signals, code) in [(&["INT"][..], 143), (&["TERM"], 143)] {
        let mut command = place.command();
        command.args(["run", "--name", "doomed", "--", "echo up; exec sleep 300"]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 3]).unwrap();
        for name in signals {
            signal(child.id(), name);
        }
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(names(&place), "");
    }
}

#[test]
fn ctrl_c_is_heard_while_the_command_is_not_even_begun() {
    let made = json!({"metadata": {"name": "doomed"}, "spec": {}}).to_string();
    let script = Script::new()
        .on("POST", "/v0/sandboxes", Step::ok(made.clone()))
        .on("GET", "/acme/sandboxes/doomed/health", Step::ok(r#"{"status": "ok"}"#))
        .on("DELETE", "/v0/sandboxes/doomed", Step::ok(made))
        .then(Step::ok("").delay(Duration::from_secs(100)));
    let server = FaultServer::start(script).unwrap();
    let place = Place::new();
    let mut command = place.command();
    command.env("BL_API_URL", format!("{}/v0", server.url())).env("BL_RUN_URL", server.url());
    command.env("BL_API_KEY", "key").env("BL_WORKSPACE", "acme");
    command.args(["run", "--name", "doomed", "--", "true"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let arrived = |method: &str| server.arrivals().iter().filter(|request| request.method == method).count();
    eventually("the command is begun", || arrived("POST") == 2);
    signal(child.id(), "INT");
    let said = child.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(130), "{said:?}");
    assert!(!String::from_utf8_lossy(&said.stderr).contains("go on"), "{said:?}");
    assert_eq!(arrived("DELETE"), 1);
}

#[test]
fn one_who_reads_no_more_leaves_no_sandbox_behind() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let mut command = place.command();
    command.args(["run", "--", "while :; do echo y; done"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 3]).unwrap();
    let _ended = child.wait().unwrap();
    eventually("it is gone", || names(&place).is_empty());
}

#[test]
fn a_sandbox_that_is_there_already_is_not_taken_and_not_deleted() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "mine"]).done();
    let said = place.run(["run", "--name", "mine", "--", "true"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(names(&place), "mine\n");
}
