//! A command in a sandbox of its own, of which nothing is left.

use std::io::Read;
use std::process::Stdio;

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
