//! How processes end, and what is told of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::running::Running;

#[test]
fn one_that_does_not_listen_runs_on_and_is_said_to() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "trap '' TERM; echo deaf; while :; do sleep 0.05; done", "name": "deaf"}));
    agent.wait_for("/process/deaf", |process| process["stdout"] == "deaf\n");
    for _ in 0..2 {
        let (status, done) = agent.ask("DELETE", "/process/deaf", None);
        assert!(status == 200 && done["message"].as_str().unwrap().contains("runs on"), "{done}");
        assert_eq!(agent.ask("GET", "/process/deaf", None).1["status"], "running");
    }
    let (status, done) = agent.ask("DELETE", "/process/deaf/kill", None);
    assert!(status == 200 && done["message"].as_str().unwrap().contains("killed successfully"), "{done}");
    let (_, ended) = agent.ask("GET", "/process/deaf", None);
    assert_eq!((&ended["status"], &ended["signal"]), (&"killed".into(), &9.into()));
    assert_eq!(agent.ask("DELETE", "/process/deaf/kill", None).0, 404);
}

#[test]
fn one_that_listens_has_stopped_when_the_answer_comes() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "sleep 300", "name": "good"}));
    let (_, done) = agent.ask("DELETE", "/process/good", None);
    assert!(done["message"].as_str().unwrap().contains("stopped successfully"), "{done}");
    let (_, ended) = agent.ask("GET", "/process/good", None);
    assert_eq!((&ended["status"], &ended["signal"]), (&"stopped".into(), &15.into()));
    assert_eq!(agent.ask("DELETE", "/process/good", None).0, 404);
}

#[test]
fn the_signal_that_ended_a_process_is_a_fact() {
    let agent = Running::start(&[]);
    for signal in [1, 6, 9, 11, 15, 34, 64] {
        let ended = agent.run(&format!("kill -{signal} $$"));
        let said = (&ended["status"], &ended["exitCode"], &ended["signal"]);
        assert_eq!(said, (&"failed".into(), &(-1).into(), &signal.into()));
    }
    assert_eq!(agent.run("exit 137").get("signal"), None);
}

#[test]
fn what_the_agent_was_started_to_ignore_is_not_ignored_by_what_it_starts() {
    let mut command = std::process::Command::new("sh");
    // As with `nohup`, and in the background of a script.
    command.args(["-c", "trap '' HUP INT QUIT USR1; exec \"$0\" agent --listen 127.0.0.1:0"]);
    command.arg(env!("CARGO_BIN_EXE_reveille-agent"));
    let agent = Running::started(command);
    for signal in [1, 2, 3, 10] {
        let ended = agent.run(&format!("kill -{signal} $$"));
        assert_eq!((&ended["status"], &ended["signal"]), (&"failed".into(), &signal.into()));
        // The agent itself goes on ignoring it.
        kill(agent.pid(), Signal::try_from(signal).unwrap()).unwrap();
    }
    assert_eq!(agent.run("exit 3")["exitCode"], 3);
}

#[test]
fn a_command_may_be_long() {
    let agent = Running::start(&[]);
    let said = |length: usize| {
        let letters = "y".repeat(length);
        // What it starts is to find no more open files than otherwise.
        let command = format!("x='{letters}'; echo ${{#x}}; cat; ls /proc/self/fd | wc -l; exit 3");
        let ended = agent.run(&command);
        assert_eq!((&ended["exitCode"], &ended["stderr"]), (&3.into(), &"".into()));
        let lines: Vec<usize> =
            ended["stdout"].as_str().unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((lines.len(), lines[0]), (2, length));
        lines[1]
    };
    let open_files = said(1);
    for length in [100_000, 130_000, 131_072, 300_000, 4_000_000] {
        assert_eq!(said(length), open_files);
    }
}

#[test]
fn a_start_that_fails_says_what_and_where() {
    let agent = Running::start(&[]);
    let (status, failed) =
        agent.ask("POST", "/process", Some(&json!({"command": "pwd", "workingDir": "/no/such"})));
    let said = failed["error"].as_str().unwrap();
    assert_eq!(status, 422);
    assert!(
        said.contains("could not execute command") && said.contains("pwd") && said.contains("/no/such"),
        "{said}"
    );
    let wait = json!({"command": "sleep 300", "waitForCompletion": true, "timeout": 1});
    let (status, failed) = agent.ask("POST", "/process", Some(&wait));
    assert!(status == 422 && failed["error"].as_str().unwrap().contains("timed out"), "{failed}");
}

#[test]
fn what_is_told_of_a_process_that_runs_has_every_text_that_clients_read() {
    let agent = Running::start(&[]);
    let begun = agent.begin(&json!({"command": "cat", "name": "cat", "stdin": true}));
    let shown = agent.ask("GET", "/process/cat", None).1;
    let listed = agent.ask("GET", "/process", None).1[0].clone();
    for told in [begun, shown, listed] {
        for text in ["completedAt", "logs", "stdout", "stderr"] {
            assert_eq!(told[text], "", "{text} of {told}");
        }
    }
}

#[test]
fn thousands_of_processes_are_known() {
    let agent = Running::start(&[]);
    const COUNT: usize = 2_000;
    let loops = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..loops {
            scope.spawn(|| (0..COUNT / loops).for_each(|_| drop(agent.begin(&json!({"command": "echo x"})))));
        }
    });
    let all = agent.wait_for("/process", |all| {
        all.as_array().unwrap().iter().all(|process| process["status"] == "completed")
    });
    let all = all.as_array().unwrap();
    assert!(all.len() == COUNT / loops * loops && all.iter().all(|process| process["stdout"] == "x\n"));
}

#[test]
fn what_left_its_group_ends_with_the_agent() {
    let agent = Running::start(&[]);
    let nested = "setsid sh -c \"trap '' TERM; setsid sh -c \\\"trap '' TERM; echo \\\\\\$\\\\\\$; sleep 300\\\" & echo \\$\\$; sleep 300\" & wait";
    agent.begin(&json!({"command": nested, "name": "away"}));
    let seen =
        agent.wait_for("/process/away", |process| process["stdout"].as_str().unwrap().lines().count() == 2);
    let pids: Vec<i32> = seen["stdout"].as_str().unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
    drop(agent);
    for pid in pids {
        assert!(kill(Pid::from_raw(pid), None).is_err(), "{pid} runs on");
    }
}
