//! Processes: their ends, their output, and what they leave behind.

use std::io::{BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use rustix::net::{AddressFamily, SocketType};
use serde_json::{Value, json};

use crate::asking::PATIENCE;
use crate::running::Running;

#[test]
fn an_end_is_told_at_once() {
    let agent = Running::start(&[]);
    let took = || {
        let begun = Instant::now();
        assert_eq!(agent.run("true")["status"], "completed");
        begun.elapsed()
    };
    // Looking every 50 ms would take that long each time; how long it takes on a busy machine says nothing.
    assert!((0..1_000).any(|_| took() < Duration::from_millis(40)), "not one was told at once");
}

/// A port that is taken, and that nothing listens on yet.
fn shut_port() -> (OwnedFd, u16) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    (socket, address.port())
}

#[test]
fn a_port_may_open_after_the_shell_that_was_to_open_it_has_completed() {
    let agent = Running::start(&[]);
    let (socket, port) = shut_port();
    let wanted = json!({"command": "true", "name": "left", "waitForPorts": [port], "timeout": 60});
    thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.ask("POST", "/process", Some(&wanted)));
        agent.wait_for("/process/left", |process| process["status"] == "completed");
        rustix::net::listen(&socket, 1).unwrap();
        let (status, started) = waiting.join().unwrap();
        assert_eq!((status, &started["status"]), (200, &json!("completed")), "{started}");
    });
}

#[test]
fn one_that_fails_before_its_port_is_open_says_what_it_said_last() {
    let agent = Running::start(&[]);
    let (_socket, port) = shut_port();
    let wanted = |command: &str, timeout: u64| {
        let wanted = json!({"command": command, "waitForPorts": [port], "timeout": timeout});
        agent.ask("POST", "/process", Some(&wanted))
    };
    let (status, refused) = wanted("echo no such module >&2; exit 3", 60);
    let sentence = refused["error"].as_str().unwrap();
    assert_eq!(status, 422);
    for told in ["exited with code 3", "no such module", &port.to_string()] {
        assert!(sentence.contains(told), "{sentence}");
    }
    let (status, refused) = wanted("true", 1);
    let sentence = refused["error"].as_str().unwrap();
    assert_eq!(status, 422);
    assert!(sentence.starts_with("timed out waiting for ports after 1 seconds"), "{sentence}");
    assert!(sentence.ends_with("has ended"), "{sentence}");
}

#[test]
fn what_is_not_there_and_what_is_there_already_is_told_in_the_words_of_the_platform() {
    let agent = Running::start(&[]);
    let wanted = json!({"command": "sleep 300", "name": "taken"});
    agent.begin(&wanted);
    let refused = |method: &str, target: &str, body: Option<&Value>, told: &str| {
        let (status, said) = agent.ask(method, target, body);
        assert!(said["error"].as_str().unwrap().contains(told), "{method} {target}: {status} {said}");
    };
    refused("POST", "/process", Some(&wanted), "already exists");
    refused("GET", "/process/nobody", None, "not found");
    refused("GET", "/filesystem//no/such/file", None, "not found");
    assert_eq!(agent.ask("DELETE", "/process/taken/kill", None).0, 200);
    refused("DELETE", "/process/taken", None, "not running");
}

#[test]
fn a_command_that_cannot_begin_where_it_is_to_is_told_with_the_folder() {
    let agent = Running::start(&[]);
    for folder in ["/this/folder/does/not/exist", "not/here/either"] {
        let wanted = json!({"command": "echo test", "workingDir": folder, "waitForCompletion": true});
        let (status, refused) = agent.ask("POST", "/process", Some(&wanted));
        assert_eq!(status, 422);
        for told in ["could not execute command", "echo test", folder, "does not exist"] {
            assert!(refused["error"].as_str().unwrap().contains(told), "{refused}");
        }
    }
}

/// Something that a command waits for.
struct Gate(tempfile::TempDir);

impl Gate {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// What waits for it in a command.
    fn closed(&self) -> String {
        format!("until [ -e {} ]; do sleep 0.01; done", self.path().display())
    }

    fn open(&self) {
        std::fs::write(self.path(), "").unwrap();
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("open")
    }
}

#[test]
fn what_comes_one_after_the_other_is_told_in_that_order() {
    let agent = Running::start(&[]);
    let (first, second) = (Gate::new(), Gate::new());
    let command = format!("echo a; {}; echo b >&2; {}; echo c", first.closed(), second.closed());
    agent.begin(&json!({"command": command, "name": "both"}));
    for (logs, gate) in [("a\n", &first), ("a\nb\n", &second)] {
        agent.wait_for("/process/both/logs", |said| said["logs"] == logs);
        gate.open();
    }
    agent.wait_for("/process/both/logs", |said| said["logs"] == "a\nb\nc\n");
}

#[test]
fn what_a_process_leaves_behind_does_not_delay_its_end_and_is_still_heard() {
    let agent = Running::start(&[]);
    let gate = Gate::new();
    let ended = agent.run(&format!("({}; echo late) & echo early", gate.closed()));
    assert_eq!((&ended["stdout"], &ended["status"]), (&"early\n".into(), &"completed".into()));
    gate.open();
    let path = format!("/process/{}/logs", ended["pid"].as_str().unwrap());
    agent.wait_for(&path, |logs| logs["stdout"] == "early\nlate\n");
}

#[test]
fn commands_begin_in_the_directory_that_has_the_name_now() {
    let above = tempfile::tempdir().unwrap();
    let (place, elsewhere) = (above.path().join("work"), above.path().join("elsewhere"));
    std::fs::create_dir(&place).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reveille-agent"));
    command.args(["agent", "--listen", "127.0.0.1:0"]).current_dir(&place).env_remove("WORKDIR");
    let agent = Running::started(command);
    assert_eq!(agent.run("touch before; ls")["stdout"], "before\n");

    std::fs::rename(&place, &elsewhere).unwrap();
    assert_eq!(agent.run("ls")["stdout"], "before\n", "nothing has the name");
    std::fs::create_dir_all(place.join("below")).unwrap();
    let pwd = |folder: &str| {
        let wanted = json!({"command": "pwd -P", "workingDir": folder, "waitForCompletion": true});
        agent.ask("POST", "/process", Some(&wanted)).1["stdout"].clone()
    };
    let line = |path: &std::path::Path| format!("{}\n", path.canonicalize().unwrap().display());
    assert_eq!(pwd(""), line(&place));
    assert_eq!(pwd("below"), line(&place.join("below")));
    assert_eq!(pwd(above.path().to_str().unwrap()), line(above.path()));

    // What was there comes back under its name.
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::rename(&elsewhere, &place).unwrap();
    assert_eq!(pwd(""), line(&place));
}

#[test]
fn orphans_leave_nothing_in_the_table_of_the_kernel() {
    let agent = Running::start(&[]);
    agent.run("for i in 1 2 3; do (sleep 0.05 &); done");
    let children = || -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
        let lists = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("children")));
        lists.map(|list| list.unwrap_or_default().split_whitespace().count()).sum()
    };
    let end = Instant::now() + PATIENCE;
    while children() > 0 {
        assert!(Instant::now() < end, "{} children are left", children());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn nothing_outlives_the_agent() {
    let agent = Running::start(&[]);
    let begun =
        agent.begin(&json!({"command": "trap '' TERM; sleep 300 & setsid sleep 300 & echo up; wait"}));
    let path = format!("/process/{}", begun["pid"].as_str().unwrap());
    agent.wait_for(&path, |process| process["stdout"] == "up\n");
    let pid = Pid::from_raw(begun["pid"].as_str().unwrap().parse().unwrap());
    drop(agent);
    assert!(kill(pid, None).is_err(), "the process runs on");
}

#[test]
fn a_streamed_execution_is_told_while_it_goes_on() {
    let agent = Running::start(&[]);
    let wanted = json!({"command": "echo begun; cat /proc/$$/stat > /dev/null; sleep 300", "name": "long"});
    let accept = [("Accept", "text/event-stream")];
    let mut response = agent.send("POST", "/process", &accept, Some(&wanted));
    let mut line = String::new();
    response.body.read_line(&mut line).unwrap();
    let frame: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(frame, json!({"type": "stdout", "data": "begun\n"}));
    assert_eq!(agent.ask("DELETE", "/process/long/kill", None).0, 200);
    line.clear();
    response.body.read_line(&mut line).unwrap();
    let frame: Value = serde_json::from_str(&line).unwrap();
    let result: Value = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
    assert_eq!((&frame["type"], &result["status"]), (&"result".into(), &"killed".into()));
    assert_eq!(response.read().unwrap(), b"", "the result is the last line");
}

#[test]
fn one_request_waits_for_an_end() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "sleep 0.3; exit 4", "name": "short"}));
    let (status, ended) = agent.ask("GET", "/process/short/wait?timeout=20", None);
    assert_eq!((status, &ended["status"], &ended["exitCode"]), (200, &"failed".into(), &4.into()));
    assert_eq!(agent.ask("GET", "/process/short/wait", None), (200, ended), "an end stays an end");
}

#[test]
fn a_wait_whose_time_is_up_is_told_how_it_stands() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "sleep 300", "name": "long"}));
    let begun = Instant::now();
    let (status, seen) = agent.ask("GET", "/process/long/wait?timeout=1", None);
    assert_eq!((status, &seen["status"]), (200, &"running".into()));
    assert!(begun.elapsed() >= Duration::from_secs(1), "it waited {:?}", begun.elapsed());
    assert_eq!(agent.ask("GET", "/process/long/wait?timeout=soon", None).0, 400);
    assert_eq!(agent.ask("GET", "/process/nobody/wait", None).0, 404);
}

#[test]
fn a_process_reads_what_is_written_to_it() {
    let agent = Running::start(&[]);
    let begun = agent.begin(&json!({"command": "cat; echo over", "name": "reader", "stdin": true}));
    assert_eq!(begun["stdin"], true);
    for line in [&b"one\n"[..], b"\xfftwo\n"] {
        assert_eq!(agent.write("reader", line), 200);
    }
    assert_eq!(agent.ask("DELETE", "/process/reader/stdin", None).0, 200);
    assert_eq!(agent.ask("GET", "/process/reader/wait", None).1["stdout"], "one\n\u{fffd}two\nover\n");
    assert_eq!(agent.ask("DELETE", "/process/reader/stdin", None).0, 200, "closed twice is closed");
    assert_eq!(agent.write("reader", b"late"), 409);
}

#[test]
fn each_run_of_a_process_reads_what_is_written_to_it() {
    let agent = Running::start(&[]);
    let command = "read line; echo got:$line; exit 1";
    agent.begin(&json!({
        "command": command, "name": "again", "stdin": true, "restartOnFailure": true, "maxRestarts": 1,
    }));
    assert_eq!(agent.write("again", b"one\n"), 200);
    agent.wait_for("/process/again", |process| process["restartCount"] == 1);
    assert_eq!(agent.write("again", b"two\n"), 200);
    let ended = agent.wait_for("/process/again", |process| process["status"] == "failed");
    assert_eq!(ended["stdout"], "got:one\nAttempting restart 1/1\ngot:two\n");
}

#[test]
fn what_failed_rests_before_it_is_started_again_and_can_be_stopped_meanwhile() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "exit 7", "name": "f", "restartOnFailure": true, "maxRestarts": 3}));
    let resting = agent.wait_for("/process/f", |process| process["exitCode"] == 7);
    assert_eq!((&resting["status"], &resting["restartCount"]), (&"running".into(), &0.into()));
    assert_eq!(agent.ask("DELETE", "/process/f", None).0, 200);
    let stopped = agent.ask("GET", "/process/f", None).1;
    let seen = (&stopped["status"], &stopped["exitCode"], &stopped["restartCount"]);
    assert_eq!(seen, (&"stopped".into(), &7.into(), &0.into()));
}

#[test]
fn a_process_that_was_to_read_nothing_cannot_be_written_to() {
    let agent = Running::start(&[]);
    let ended = agent.run("cat");
    assert_eq!((&ended["status"], &ended["stdin"]), (&"completed".into(), &Value::Null));
    let id = ended["pid"].as_str().unwrap();
    assert_eq!(agent.write(id, b"x"), 409);
    assert_eq!(agent.ask("DELETE", &format!("/process/{id}/stdin"), None).0, 409);
    assert_eq!(agent.write("nobody", b"x"), 404);
}

#[test]
fn an_agent_listens_on_a_socket_that_was_handed_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let socket = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let mut agent = Command::new(env!("CARGO_BIN_EXE_reveille-agent"))
        .args(["agent", "--listen", "stdin"])
        .stdin(Stdio::from(socket))
        .spawn()
        .unwrap();
    let ask = |head: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /health").contains("\"upgradeCount\":0"));
    assert!(ask("POST /upgrade").starts_with("HTTP/1.1 200"));
    let end = Instant::now() + PATIENCE;
    while !ask("GET /health").contains("\"upgradeCount\":1") {
        assert!(Instant::now() < end, "it is not upgraded");
    }
    kill(Pid::from_raw(agent.id().cast_signed()), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(agent.wait().unwrap().success());
}

#[test]
fn whether_something_keeps_the_sandbox_awake_is_told_in_a_few_bytes() {
    let agent = Running::start(&[]);
    let kept = || agent.ask("GET", "/keep-alive", None).1;
    agent.run("head -c 200000 /dev/zero");
    agent.begin(&json!({"command": "sleep 300"}));
    assert_eq!(kept(), json!({"processes": 0}));
    agent.begin(&json!({"command": "sleep 300", "name": "kept", "keepAlive": true, "timeout": 0}));
    assert_eq!(kept(), json!({"processes": 1}));
    assert_eq!(agent.ask("DELETE", "/process/kept/kill", None).0, 200);
    agent.wait_for("/keep-alive", |kept| kept["processes"] == 0);
}

#[test]
fn a_number_of_seconds_without_measure_is_borne() {
    let agent = Running::start(&[]);
    for keep_alive in [false, true] {
        for wait in [false, true] {
            for accept in ["application/json", "text/event-stream"] {
                let wanted = json!({
                    "command": "true", "timeout": i64::MAX, "keepAlive": keep_alive, "waitForCompletion": wait
                });
                let mut answer = agent.send("POST", "/process", &[("Accept", accept)], Some(&wanted));
                assert_eq!(answer.status, 200);
                answer.read().unwrap();
            }
        }
    }
    let ended = agent.wait_for("/process", |all| {
        all.as_array().unwrap().iter().all(|process| process["status"] == "completed")
    });
    assert_eq!(ended.as_array().unwrap().len(), 8);
}
