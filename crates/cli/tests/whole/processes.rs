//! Commands in a sandbox, as a person runs them: every byte, the true end, and nothing left behind.

use std::io::{BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::place::{Host, Place, eventually, line, signal};

fn with_box(flags: &[&str]) -> (Place, Host) {
    let place = Place::new();
    let host = Host::start(&place, flags);
    place.run(["create", "box"]).done();
    (place, host)
}

#[test]
fn every_byte_of_a_burst_arrives() {
    let (place, _host) = with_box(&[]);
    for _ in 0..3 {
        let said = place.run(["exec", "box", "--", "head -c 8000000 /dev/zero"]).done();
        assert!(said.out.len() == 8_000_000 && said.out.iter().all(|byte| *byte == 0));
        assert_eq!(said.err, "");
    }
}

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let (place, _host) = with_box(&[]);
    let said = place.run([
        "exec",
        "box",
        "--",
        r"i=0; while [ $i -lt 256 ]; do printf '\'$(printf %03o $i); i=$((i+1)); done",
    ]);
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(said.done().out, all);
}

#[test]
fn what_cannot_be_started_is_said_and_is_nowhere_to_be_looked_at() {
    let (place, _host) = with_box(&[]);
    for flags in
        [&["exec", "-w", "/no/such", "box", "true"][..], &["exec", "-d", "-w", "/no/such", "box", "true"]]
    {
        let said = place.run(flags);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("the folder does not exist"), "{said:?}");
        assert!(!said.err.contains("reveille logs") && !said.err.contains("may have run"), "{said:?}");
    }
}

#[test]
fn a_signal_is_128_more_and_named() {
    let (place, _host) = with_box(&[]);
    for (number, name) in [(9, "SIGKILL"), (15, "SIGTERM"), (34, "signal 34")] {
        let said = place.run(["exec", "box", "--", &format!("kill -{number} $$")]);
        assert_eq!(said.code, Some(128 + number), "{said:?}");
        assert!(said.err.contains(name), "{said:?}");
    }
}

#[test]
fn standard_input_is_handed_on_with_its_end_and_only_when_asked_for() {
    let (place, _host) = with_box(&[]);
    assert_eq!(
        place.feed(&["exec", "-i", "box", "--", "cat; echo end"], b"a\xff\nb").done().out,
        b"a\xff\nbend\n"
    );
    assert_eq!(place.feed(&["exec", "box", "--", "cat; echo end"], b"ignored").done().out, b"end\n");
    let input: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    assert!(place.feed(&["exec", "-i", "box", "--", "cat"], &input).done().out == input);
    assert_eq!(place.feed(&["exec", "-i", "box", "--", "head -c 3"], b"abcdef").done().out, b"abc");
}

#[test]
fn a_command_may_be_longer_than_an_argument() {
    let (place, _host) = with_box(&[]);
    let letters = "y".repeat(100_000);
    let script = format!("x='{letters}'; x=$x$x$x; echo ${{#x}}");
    assert_eq!(place.run(["exec", "box", "--", &script]).done().text(), "300000\n");
}

#[test]
fn ctrl_c_asks_the_command_to_end_and_once_more_kills_it() {
    let (place, _host) = with_box(&[]);
    for (command, signals, code) in [
        ("echo up; exec sleep 300", 1, 143),
        ("trap '' TERM; echo up; while :; do sleep 0.05; done", 2, 137),
        ("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done", 1, 3),
    ] {
        let mut child = place.command();
        child.args(["exec", "--name", "long", "box", "--", command]);
        let mut child =
            child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 3]).unwrap();
        let mut err = child.stderr.take().unwrap();
        for _ in 0..signals {
            signal(child.id(), "INT");
            // The next one is to be a second one: the first has been heard when it was spoken of.
            let mut byte = [0];
            while signals > 1 && byte[0] != b'\n' && err.read(&mut byte).unwrap() > 0 {}
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{command}");
        assert!(place.run(["ps", "box"]).done().out.is_empty(), "nothing runs on");
    }
}

#[test]
fn processes_are_listed_followed_and_ended() {
    let (place, _host) = with_box(&[]);
    let said = place.run(["ps", "box"]).done();
    assert!(said.out.is_empty() && said.err.contains("reveille exec -d box"), "{said:?}");
    place
        .run([
            "exec",
            "-d",
            "--name",
            "count",
            "box",
            "--",
            "for i in 1 2 3; do echo $i; done; until [ -e go ]; do sleep 0.01; done; echo e >&2",
        ])
        .done();
    let said = place.run(["ps", "box"]).done().text();
    assert!(said.starts_with("PID") && said.contains("count") && said.contains("running"), "{said}");
    place.run(["exec", "box", "--", "touch go"]).done();
    let said = place.run(["logs", "-f", "box", "count"]).done();
    assert_eq!((said.text().as_str(), said.err.as_str()), ("1\n2\n3\n", "e\n"));
    let said = place.run(["logs", "box", "count"]).done();
    assert_eq!((said.text().as_str(), said.err.as_str()), ("1\n2\n3\n", "e\n"));
    assert!(place.run(["ps", "box"]).done().out.is_empty());
    assert!(place.run(["ps", "-a", "box"]).done().text().contains("done"));
    for (command, state) in [("stop", "has stopped"), ("kill", "is killed")] {
        place.run(["exec", "-d", "--name", "long", "box", "--", "sleep 300"]).done();
        assert!(place.run([command, "box", "long"]).done().text().contains(state));
        assert_eq!(place.run([command, "box", "long"]).code, Some(1));
    }
    let said = place.run(["logs", "-f", "box", "nobody"]);
    assert!(said.code == Some(1) && said.err.contains("nobody"), "{said:?}");
}

#[test]
fn a_command_whose_output_nobody_reads_any_more_is_asked_to_end() {
    let (place, _host) = with_box(&[]);
    let endless = "trap 'echo asked > asked; exit' TERM; while :; do echo x; sleep 0.01; done";
    let mut command = place.command();
    command.args(["exec", "--name", "yes", "box", "--", endless]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(running.stdout.take().unwrap());
    assert_eq!(line(&mut out), "x\n");
    drop(out);
    let said = running.wait_with_output().unwrap();
    assert_eq!((said.status.code(), said.stderr), (Some(141), Vec::new()));
    eventually("it has ended as it was asked to", || {
        place.run(["exec", "box", "--", "cat asked && rm asked"]).text() == "asked\n"
    });
    eventually("it has ended", || !place.run(["ps", "box"]).done().text().contains("yes"));
}

#[test]
fn the_output_since_a_moment_is_shown_and_nothing_before_it() {
    let (place, _host) = with_box(&[]);
    let line = r"printf 'old\n'; sleep 2.2; printf 'new\377\n'; echo err >&2; sleep 300";
    place.run(["exec", "-d", "--name", "slow", "box", "--", line]).done();
    eventually("all of it has come", || place.run(["logs", "box", "slow"]).err.contains("err"));
    let all = b"old\nnew\xff\n".to_vec();
    let since = |when: &str| {
        let said = place.run(["logs", "--since", when, "box", "slow"]).done();
        (said.out, said.err)
    };
    assert_eq!(since("1h"), (all, "err\n".to_owned()));
    assert_eq!(since("2100-01-01T00:00:00Z"), (Vec::new(), String::new()));
    let line = "echo a; sleep 2.2; echo b; sleep 2.2; echo c";
    place.run(["exec", "-d", "--name", "later", "box", "--", line]).done();
    place.run(["upgrade", "box"]).done();
    eventually("it has ended", || !place.run(["ps", "box"]).text().contains("later"));
    let said = place.run(["logs", "-f", "--since", "2100-01-01T00:00:00Z", "box", "later"]).done();
    assert_eq!(said.text(), "", "it has ended, and wrote nothing since then");
    assert_eq!(place.run(["logs", "-f", "--since", "1h", "box", "later"]).done().text(), "a\nb\nc\n");
    let recent = place.run(["logs", "--since", "1500ms", "box", "later"]).done().text();
    assert!("a\nb\nc\n".ends_with(&recent) && !recent.contains('a'), "{recent:?}");
    let said = place.run(["logs", "--since", "1m", "box", "nobody"]);
    assert!(said.code == Some(1) && said.err.contains("nobody"), "{said:?}");
    assert_eq!(place.run(["logs", "--since", "yesterday", "box", "slow"]).code, Some(2));
}

#[test]
fn output_that_is_not_kept_any_more_is_a_failure() {
    let place = Place::new();
    let server = reveille_faults::FaultServer::start(
        reveille_faults::Step::ok(concat!(
            "{\"type\":\"stdout\",\"data\":\"a\"}\n",
            "{\"type\":\"truncated\",\"stream\":\"stdout\",\"bytes\":9}\n",
            "{\"type\":\"result\",\"data\":\"{\\\"status\\\":\\\"completed\\\"}\"}\n",
        ))
        .header("content-type", "application/x-ndjson")
        .header("reveille-stream", "exact"),
    )
    .unwrap();
    let said = place.run(["exec", &server.url(), "--", "x"]);
    assert_eq!((said.code, said.text().as_str()), (Some(1), "a"));
    assert!(said.err.contains("9 bytes of stdout are missing"), "{said:?}");
}

#[test]
fn a_command_whose_sandbox_is_deleted_is_named_and_no_repeat_is_advised() {
    let (place, _host) = with_box(&[]);
    let mut child = place.command();
    child.args(["exec", "--name", "doomed", "box", "--", "echo up; sleep 300"]);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 3]).unwrap();
    place.run(["delete", "box"]).done();
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("doomed") && said.contains("reveille logs box doomed"), "{said}");
    assert!(!said.contains("send it again"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(100), "it does not wait for what has ended");
}

#[test]
fn a_command_goes_on_over_a_nap_and_an_upgrade_and_no_byte_is_lost() {
    let (place, _host) = with_box(&[]);
    let count = "i=0; while [ $i -lt 150 ]; do echo $i; i=$((i+1)); sleep 0.02; done";
    let mut child = place.command();
    child.args(["exec", "box", "--", count]);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
    place.run(["sleep", "box"]).done();
    place.run(["wake", "box"]).done();
    place.run(["upgrade", "box"]).done();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let all: String = (0..150).map(|i| format!("{i}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout), all[2..], "{said}");
}
