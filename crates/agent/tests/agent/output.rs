//! What processes write: every byte of it, to everybody who follows, or an explicit gap.

use std::io::{BufRead, Read};
use std::thread;
use std::time::Duration;

use reveille_wire::{ExecFrame, ExecFrameKind};
use serde_json::{Value, json};

use crate::http::Response;
use crate::running::Running;

const EXACT: [(&str, &str); 2] = [("Accept", "application/x-ndjson"), ("Reveille-Stream", "exact")];

/// What a stream of frames said.
#[derive(Debug, Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    restarts: String,
    /// What was missing, as the frames say it.
    missing: Vec<(String, u64)>,
    keepalives: usize,
    result: Option<Value>,
    error: Option<String>,
}

impl Said {
    /// Reads frames to the end of the stream.
    fn read(response: Response) -> Self {
        let mut said = Self::default();
        for line in response.body.lines() {
            said.add(&line.unwrap());
        }
        said
    }

    fn add(&mut self, line: &str) {
        let frame: ExecFrame = serde_json::from_str(line).unwrap();
        assert!(self.result.is_none(), "nothing comes after the result: {line}");
        match frame.kind {
            ExecFrameKind::Stdout => self.stdout.extend(frame.into_bytes().unwrap()),
            ExecFrameKind::Stderr => self.stderr.extend(frame.into_bytes().unwrap()),
            ExecFrameKind::Restart => self.restarts.push_str(&frame.data),
            ExecFrameKind::Truncated => {
                self.missing.push((frame.stream.unwrap().to_string(), frame.bytes.unwrap()));
            }
            ExecFrameKind::Keepalive => self.keepalives += 1,
            ExecFrameKind::Result => self.result = Some(serde_json::from_str(&frame.data).unwrap()),
            ExecFrameKind::Error => self.error = Some(frame.data),
            _ => panic!("{line}"),
        }
    }
}

fn follow(agent: &Running, name: &str, from: [usize; 2]) -> Said {
    let [out, err] = from;
    let target = format!("/process/{name}/logs/stream?stdout={out}&stderr={err}");
    Said::read(agent.send("GET", &target, &EXACT, None))
}

/// `count` lines, each with its number.
fn numbered(count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("{number}\n").into_bytes()).collect()
}

#[test]
fn what_cannot_be_started_is_no_exact_stream_and_one_line_of_the_platforms() {
    let agent = Running::start(&[]);
    let nowhere = json!({"command": "true", "workingDir": "/no/such"});
    let refused = agent.send("POST", "/process", &EXACT, Some(&nowhere));
    assert_eq!(refused.status, 422);
    let streamed = agent.send("POST", "/process", &[("Accept", "text/event-stream")], Some(&nowhere));
    assert_eq!(streamed.status, 200);
    assert!(Said::read(streamed).error.unwrap().contains("/no/such"));
}

#[test]
fn a_burst_arrives_whole_in_every_form() {
    let agent = Running::start(&[]);
    let command = json!({"command": "head -c 8000000 /dev/zero", "name": "burst"});
    let text = [("Accept", "text/event-stream")];
    for headers in [&text[..], &EXACT[..]] {
        let said = Said::read(agent.send("POST", "/process", headers, Some(&command)));
        assert_eq!((said.stdout.len(), said.missing.len()), (8_000_000, 0));
        assert_eq!(said.result.unwrap()["status"], "completed");
    }
    assert_eq!(follow(&agent, "burst", [0, 0]).stdout.len(), 8_000_000);
}

#[test]
fn bytes_arrive_as_they_are() {
    let agent = Running::start(&[]);
    let all: Vec<u8> = (0..=255).collect();
    let octal: String = all.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let command = format!(
        "for i in 1 2 3; do printf '{octal}'; printf '\\303' >&2; sleep 0.02; printf '\\244' >&2; done"
    );
    let said =
        Said::read(agent.send("POST", "/process", &EXACT, Some(&json!({"command": command, "name": "all"}))));
    assert_eq!(said.stdout, all.repeat(3));
    assert_eq!(said.stderr, "äää".as_bytes());
    let again = follow(&agent, "all", [0, 0]);
    assert_eq!((again.stdout, again.stderr), (said.stdout, said.stderr));
}

#[test]
fn text_is_text_in_every_form() {
    let agent = Running::start(&[]);
    let command = json!({"command": "printf 'z\\303'; sleep 0.05; printf '\\244\\n'"});
    let said = Said::read(agent.send("POST", "/process", &[("Accept", "text/event-stream")], Some(&command)));
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "zä\n");
}

#[test]
fn a_log_is_read_on_from_any_byte_of_either_stream() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "echo one; sleep 0.05; echo two >&2; sleep 0.05; printf 'thr\\377'", "name": "short"}));
    agent.ask("GET", "/process/short/wait", None);
    let (out, err) = (b"one\nthr\xff", b"two\n");
    for from_out in 0..=out.len() {
        for from_err in 0..=err.len() {
            let said = follow(&agent, "short", [from_out, from_err]);
            assert_eq!((&said.stdout[..], &said.stderr[..]), (&out[from_out..], &err[from_err..]));
            assert!(said.missing.is_empty() && said.result.is_some());
        }
    }
    let status =
        |query: &str| agent.send("GET", &format!("/process/short/logs/stream?{query}"), &EXACT, None).status;
    assert_eq!((status("stdout=9"), status("stderr=99999999999")), (416, 416));
    assert_eq!((status("stdout=-1"), status("stderr=x")), (400, 400));
}

#[test]
fn a_long_log_arrives_once_through_many_cuts() {
    const LINES: usize = 120_000;
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": format!("seq 0 {}", LINES - 1), "name": "long"}));
    let mut seen = Vec::new();
    let mut cuts = 0;
    let result = loop {
        let target = format!("/process/long/logs/stream?stdout={}", seen.len());
        let mut response = agent.send("GET", &target, &EXACT, None);
        let most = fastrand::usize(1..6);
        let mut said = Said::default();
        let mut line = String::new();
        for _ in 0..most {
            line.clear();
            if response.body.read_line(&mut line).unwrap() > 0 {
                said.add(line.trim_end());
            }
        }
        assert!(said.missing.is_empty());
        seen.extend(said.stdout);
        if let Some(result) = said.result {
            break result;
        }
        cuts += 1;
    };
    assert_eq!(result["status"], "completed");
    assert!(cuts > 2, "{cuts} cuts");
    assert!(seen == numbered(LINES), "each line once and in order");
}

#[test]
fn a_slow_reader_slows_the_process_and_loses_nothing() {
    let agent = Running::start(&["--keep-output", "1000000"]);
    let command = json!({"command": "head -c 30000000 /dev/zero; echo over >&2", "name": "loud"});
    let mut response = agent.send("POST", "/process", &EXACT, Some(&command));
    thread::sleep(Duration::from_millis(500));
    let (_, seen) = agent.ask("GET", "/process/loud", None);
    assert_eq!((&seen["status"], &seen["stderr"]), (&"running".into(), &"".into()), "it waits to be read");
    let mut text = String::new();
    response.body.read_to_string(&mut text).unwrap();
    let mut said = Said::default();
    text.lines().for_each(|line| said.add(line));
    assert_eq!((said.stdout.len(), said.missing.len()), (30_000_000, 0));
    assert_eq!((said.stderr.as_slice(), &said.result.unwrap()["exitCode"]), (&b"over\n"[..], &0.into()));
}

#[test]
fn a_reader_that_leaves_lets_the_process_go_on() {
    let agent = Running::start(&["--keep-output", "1000000"]);
    let command = json!({"command": "head -c 30000000 /dev/zero; echo over >&2", "name": "left"});
    drop(agent.send("POST", "/process", &EXACT, Some(&command)));
    let (_, ended) = agent.ask("GET", "/process/left/wait?timeout=20", None);
    assert_eq!((&ended["status"], &ended["stderr"]), (&"completed".into(), &"over\n".into()));
}

#[test]
fn what_is_not_kept_is_told_beside_the_data_and_never_in_it() {
    let agent = Running::start(&["--keep-output", "100000"]);
    let command = "echo first >&2; head -c 6000000 /dev/zero | tr '\\0' x; printf end";
    agent.begin(&json!({"command": command, "name": "cut"}));
    agent.ask("GET", "/process/cut/wait", None);
    let said = follow(&agent, "cut", [0, 0]);
    let [(stream, missing)] = &said.missing[..] else { panic!("{:?}", said.missing) };
    assert_eq!((stream.as_str(), *missing + said.stdout.len() as u64), ("stdout", 6_000_003));
    assert!(said.stdout.len() > 100_000 && said.stdout.ends_with(b"xend"));
    assert_eq!((said.stderr.as_slice(), said.result.is_some()), (&b"first\n"[..], true));
    let (_, logs) = agent.ask("GET", "/process/cut/logs", None);
    let shown = logs["stdout"].as_str().unwrap();
    assert!(shown.starts_with("xxxx") && shown.ends_with("xend"));
    assert_eq!(logs["truncated"]["stdout"].as_u64().unwrap() + shown.len() as u64, 6_000_003);
    let mut first = String::new();
    agent.send("GET", "/process/cut/logs/stream", &[], None).body.read_line(&mut first).unwrap();
    assert!(first == "stderr:first\n" || first.starts_with('['), "{first}");
}

#[test]
fn the_platforms_own_log_stream_has_bytes_and_no_result() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "printf 'a\\377'; exit 1", "name": "again", "restartOnFailure": true, "maxRestarts": 1}));
    agent.ask("GET", "/process/again/wait", None);
    let ndjson = [("Accept", "application/x-ndjson")];
    let response = agent.send("GET", "/process/again/logs/stream", &ndjson, None);
    assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
    let said = Said::read(response);
    assert_eq!(
        (said.stdout.as_slice(), said.restarts.as_str()),
        (&b"a\xffa\xff"[..], "Attempting restart 1/1\n")
    );
    assert_eq!(said.result, None);
    for accept in ["*/*", "text/plain", "application/*"] {
        let response = agent.send("GET", "/process/again/logs/stream", &[("Accept", accept)], None);
        assert!(response.header("content-type").unwrap().starts_with("text/plain"), "{accept}");
    }
}

#[test]
fn a_quiet_log_says_at_once_that_it_is_followed() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "sleep 300", "name": "quiet"}));
    let ndjson = [("Accept", "application/x-ndjson")];
    let mut response = agent.send("GET", "/process/quiet/logs/stream", &ndjson, None);
    let mut line = String::new();
    response.body.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"type\":\"keepalive\",\"data\":\"\"}\n");
}

#[test]
fn a_log_comes_in_lines_of_json_for_who_would_rather_have_those() {
    let agent = Running::start(&[]);
    agent.ask(
        "POST",
        "/process",
        Some(&json!({"command": "echo hello", "name": "n", "waitForCompletion": true})),
    );
    let json = "application/x-ndjson";
    let text = "text/plain; charset=utf-8";
    for (accept, form) in [
        ("", text),
        ("*/*", text),
        ("application/*", text),
        ("application/json", text),
        ("application/x-ndjson", json),
        ("Application/X-NDJSON ; q=0.1", json),
        ("text/plain, application/x-ndjson", json),
        ("text/plain;q=0.5, application/x-ndjson;q=0.9", json),
        ("application/x-ndjson;q=0.5, text/plain;q=0.9", text),
        ("application/x-ndjson;q=0, text/plain", text),
        ("application/x-ndjson;q=0", text),
        ("application/x-ndjson;q=-1", text),
        ("application/x-ndjson;q=nothing", json),
        ("application/x-ndjsonx, xapplication/x-ndjson", text),
    ] {
        let mut response = agent.send("GET", "/process/n/logs/stream", &[("Accept", accept)], None);
        assert_eq!(response.header("content-type"), Some(form), "{accept}");
        let log: &[u8] =
            if form == json { b"{\"type\":\"stdout\",\"data\":\"hello\\n\"}\n" } else { b"stdout:hello\n" };
        assert_eq!(response.read().unwrap(), log, "{accept}");
    }
}

#[test]
fn a_stream_is_read_on_over_an_upgrade() {
    const LINES: usize = 400;
    let agent = Running::start(&[]);
    let command = format!(
        "i=0; while [ $i -lt {LINES} ]; do echo $i; i=$((i+1)); sleep 0.01; done; head -c 3000000 /dev/zero >&2"
    );
    agent.begin(&json!({"command": command, "name": "steady"}));
    let boot = |response: &Response| response.header("reveille-boot").map(str::to_owned);
    let mut response = agent.send("GET", "/process/steady/logs/stream", &EXACT, None);
    let before = boot(&response);
    assert!(before.is_some());
    agent.ask("POST", "/upgrade", None);
    let mut said = Said::default();
    let mut line = String::new();
    while response.body.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        said.add(line.trim_end());
        line.clear();
    }
    assert!(said.result.is_none(), "a cut is no end");
    agent.upgraded(1);
    let target =
        format!("/process/steady/logs/stream?stdout={}&stderr={}", said.stdout.len(), said.stderr.len());
    let response = agent.send("GET", &target, &EXACT, None);
    assert_eq!(boot(&response), before, "an upgrade is no new life");
    let rest = Said::read(response);
    assert!([said.stdout, rest.stdout].concat() == numbered(LINES));
    assert_eq!((said.stderr.len() + rest.stderr.len(), rest.missing.len()), (3_000_000, 0));
    assert_eq!(follow(&agent, "steady", [0, 0]).stderr.len(), 3_000_000);
}

#[test]
fn a_very_long_line_is_one_line() {
    let agent = Running::start(&[]);
    agent.begin(&json!({"command": "head -c 2097152 /dev/zero | tr '\\0' x; echo", "name": "line"}));
    agent.ask("GET", "/process/line/wait", None);
    let text = agent.send("GET", "/process/line/logs/stream", &[], None).read().unwrap();
    assert_eq!(text.len(), "stdout:".len() + 2_097_152 + 1);
}
