//! Processes: started once, followed over any number of connections, each byte once.

use std::time::Duration;

use reveille::{ErrorKind, OutputEvent, OutputStream};
use reveille_faults::{Answer, End, FaultServer, Moment, Script, Step, Steps};

use crate::harness::{BOTH, client, everywhere};

/// Frames as the platform sends them, and as our own agent does.
fn frames(lines: &[&str]) -> Answer {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Step::ok(body).header("content-type", "application/x-ndjson")
}

fn exact(lines: &[&str]) -> Answer {
    frames(lines).header("reveille-stream", "exact").header("reveille-process", "77")
}

const A: &str = r#"{"type":"stdout","data":"a"}"#;
const B: &str = r#"{"type":"stderr","data":"b"}"#;
const C: &str = r#"{"type":"stdout","data":"/w==","encoding":"base64"}"#;
const RESULT: &str = r#"{"type":"result","data":"{\"status\":\"failed\",\"exitCode\":-1,\"signal\":9}"}"#;
const LOG: &str = "/acme/sandboxes/box/process";

fn logs(script: impl Into<Steps>, begin: impl Into<Steps>) -> Script {
    Script::new().on("GET", LOG, script).on("POST", LOG, begin)
}

#[test]
fn an_execution_gives_every_byte_and_the_signal() {
    everywhere(
        BOTH,
        || exact(&[A, r#"{"type":"keepalive"}"#, "", B, C, RESULT]).into(),
        |server, client, way| {
            let call = client.sandbox("box").processes().exec("x").stream();
            let (stream, _) = way.finish(call.with_history()).unwrap();
            assert_eq!((stream.id(), stream.is_exact()), ("77", Some(true)));
            let events: Vec<_> = stream.into_iter().map(Result::unwrap).collect();
            assert_eq!(events[..2], [OutputEvent::Stdout("a".into()), OutputEvent::Stderr("b".into())]);
            assert_eq!(events[2], OutputEvent::Stdout((&b"\xff"[..]).into()));
            assert!(matches!(&events[3], OutputEvent::Ended(process) if process.signal == Some(9)));
            assert!(server.arrivals()[0].header("accept").unwrap().contains("text/event-stream"));
        },
    );
}

#[test]
fn an_output_knows_its_code_or_its_signal() {
    let server = FaultServer::start(exact(&[A, C, RESULT])).unwrap();
    let output = client(&server).sandbox("box").processes().exec("x").wait().unwrap();
    assert_eq!((output.stdout.as_slice(), output.code(), output.signal()), (&b"a\xff"[..], None, Some(9)));
    assert!(!output.success());
}

#[test]
fn a_start_is_never_repeated_and_its_process_can_be_found_again() {
    for fault in [
        Step::status(503).into(),
        Step::from(exact(&[A]).cut_head(5, End::Close)),
        Step::reset(Moment::AfterRequest),
    ] {
        let script = || Script::new().step(fault.clone()).then(exact(&[RESULT]));
        everywhere(BOTH, script, |server, client, way| {
            let exec = client.sandbox("box").processes().exec("x");
            let name = exec.named().to_owned();
            assert!(way.finish(exec.stream().with_history()).unwrap_err().may_have_run());
            let sent = server.arrivals_of("POST");
            assert!(sent.len() == 1 && name.starts_with("proc-") && name.len() == 13);
        });
    }
}

#[test]
fn an_execution_that_is_cut_at_any_byte_is_read_on_where_it_broke() {
    let lines = [A, B, C, A, RESULT];
    let length: usize = lines.iter().map(|line| line.len() + 1).sum();
    for cut in 0..length {
        // So many lines are whole before the cut; what comes after them is asked for.
        let mut left = cut;
        let whole = lines.iter().take_while(|line| {
            let fits = left > line.len();
            left = left.saturating_sub(line.len() + 1);
            fits
        });
        let whole = whole.count();
        let begin = exact(&lines).cut_body(cut as u64, End::Close);
        let server = FaultServer::start(logs(exact(&lines[whole..]), begin)).unwrap();
        let output = client(&server).sandbox("box").processes().exec("x").wait().unwrap();
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b"a\xffa"[..], &b"b"[..]),
            "cut at {cut}"
        );
        assert_eq!(server.arrivals_of("POST").len(), 1);
        let out = lines[..whole].iter().filter(|line| line.contains("stdout")).count();
        let err = lines[..whole].iter().filter(|line| line.contains("stderr")).count();
        for asked in server.arrivals_of("GET") {
            assert_eq!(asked.path(), "/acme/sandboxes/box/process/77/logs/stream");
            assert_eq!(asked.query(), Some(format!("stdout={out}&stderr={err}").as_str()));
        }
    }
}

#[test]
fn a_log_of_the_platform_starts_over_and_no_byte_of_it_comes_twice() {
    let lines = [A, B, r#"{"type":"restart","data":"again"}"#, A];
    let length: usize = lines.iter().map(|line| line.len() + 1).sum();
    let ended = Step::ok(r#"{"status":"completed","exitCode":0}"#);
    for cut in 0..length {
        let script = Script::new()
            .on(
                "GET",
                &format!("{LOG}/build/logs"),
                Steps::new().step(frames(&lines).cut_body(cut as u64, End::Close)).then(frames(&lines)),
            )
            .on("GET", LOG, ended.clone());
        let server = FaultServer::start(script).unwrap();
        let stream = client(&server).sandbox("box").processes().follow("build");
        let events: Vec<_> = stream.into_iter().map(Result::unwrap).collect();
        assert_eq!(events.len(), 5, "cut at {cut}: {events:?}");
        assert_eq!(events[2], OutputEvent::Restart("again".to_owned()));
    }
}

#[test]
fn a_log_of_lines_is_read_on_too() {
    let text = |lines: &str| Step::ok(lines.to_owned()).header("content-type", "text/plain");
    let all = "stdout:one\n[keepalive]\nstderr:two\nstdout:three\n";
    let log = Steps::new().step(text(all).cut_body(30, End::Close)).then(text(all));
    let ended = Step::ok(r#"{"status":"completed","exitCode":0}"#);
    let server =
        FaultServer::start(Script::new().on("GET", &format!("{LOG}/build/logs"), log).on("GET", LOG, ended))
            .unwrap();
    let output = client(&server).sandbox("box").processes().follow("build");
    let output =
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(output.output()).unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"one\nthree\n"[..], &b"two\n"[..]));
}

#[test]
fn an_end_of_a_connection_is_no_end_of_a_process_that_runs() {
    let log = Steps::new().step(frames(&[A])).then(frames(&[A, B]));
    let state =
        Steps::new().step(Step::ok(r#"{"status":"running"}"#)).then(Step::ok(r#"{"status":"stopped"}"#));
    let server =
        FaultServer::start(Script::new().on("GET", &format!("{LOG}/build/logs"), log).on("GET", LOG, state))
            .unwrap();
    let events: Vec<_> =
        client(&server).sandbox("box").processes().follow("build").into_iter().map(Result::unwrap).collect();
    assert_eq!(events[..2], [OutputEvent::Stdout("a".into()), OutputEvent::Stderr("b".into())]);
    assert_eq!(events.len(), 3);
}

#[test]
fn what_is_missing_is_an_event_of_a_stream_and_an_error_of_an_output() {
    let missing = r#"{"type":"truncated","stream":"stderr","bytes":7}"#;
    let server = FaultServer::start(exact(&[A, missing, B, RESULT])).unwrap();
    let processes = client(&server).sandbox("box").processes();
    let events: Vec<_> = processes.follow("loud").into_iter().map(Result::unwrap).collect();
    let gap = OutputEvent::Missing { stream: Some(OutputStream::Stderr), bytes: Some(7) };
    assert_eq!(events[1], gap);
    let error = processes.exec("x").name("loud").wait().unwrap_err();
    assert!(error.to_string().contains("7 bytes of its stderr"), "{error}");
    assert_eq!((error.kind(), error.process()), (ErrorKind::Interrupted, Some("77")));
}

#[test]
fn a_sandbox_that_started_anew_has_lost_its_processes() {
    let begin = exact(&[A, RESULT]).header("reveille-boot", "one").cut_body(A.len() as u64 + 1, End::Close);
    for after in [
        exact(&[A, RESULT]).header("reveille-boot", "two"),
        Step::status(404).body(r#"{"error":"there is no process"}"#).header("reveille-boot", "two"),
    ] {
        let server = FaultServer::start(logs(after, begin.clone())).unwrap();
        let error = client(&server).sandbox("box").processes().exec("x").name("lost").wait().unwrap_err();
        assert!(error.to_string().contains("started anew"), "{error}");
        assert!(error.to_string().contains("lost") && error.process() == Some("lost"), "{error}");
    }
}

#[test]
fn what_cannot_be_read_on_names_the_process_and_advises_no_repeat() {
    for after in [Step::from(Step::status(404)), Step::status(503).into(), Step::reset(Moment::AfterRequest)]
    {
        let begin = exact(&[A, RESULT]).cut_body(A.len() as u64 + 1, End::Close);
        let server = FaultServer::start(logs(after, begin)).unwrap();
        let stream =
            client(&server).sandbox("box").processes().exec("x").name("named").stream().wait().unwrap();
        let events: Vec<_> = stream.into_iter().collect();
        assert_eq!(events.len(), 2);
        let error = events.into_iter().find_map(Result::err).unwrap();
        assert!(error.to_string().starts_with("process named: "), "{error}");
        assert_eq!(server.arrivals_of("POST").len(), 1);
    }
}

#[test]
fn a_connection_that_brings_nothing_again_and_again_is_given_up() {
    let script = Script::from(exact(&[A]).cut_body(0, End::Close)).repeat_last();
    let server = FaultServer::start(script).unwrap();
    let policy = reveille::RetryPolicy::never();
    let client = crate::harness::builder(&server.url())
        .retry(policy)
        .deadline(Duration::from_secs(1))
        .build()
        .unwrap();
    let error = client.sandbox("box").processes().follow("x").into_iter().find_map(Result::err).unwrap();
    assert!(error.kind() == ErrorKind::Interrupted || error.is_unavailable(), "{error}");
}

#[test]
fn what_could_not_be_run_is_told_as_what_it_is() {
    let server =
        FaultServer::start(frames(&[r#"{"type":"error","data":"could not execute command"}"#])).unwrap();
    let error = client(&server).sandbox("box").processes().exec("x").wait().unwrap_err();
    assert!(error.kind() == ErrorKind::Rejected && !error.may_have_run(), "{error}");
    assert!(error.to_string().contains("could not execute command"), "{error}");
}

#[test]
fn a_frame_that_is_none_is_no_output() {
    for line in [
        "x",
        "{}",
        r#"{"type":"stdout","data":"?","encoding":"base64"}"#,
        r#"{"type":"stdout","data":"x","encoding":"rot13"}"#,
    ] {
        let server = FaultServer::start(exact(&[A, line, RESULT])).unwrap();
        let error = client(&server).sandbox("box").processes().exec("x").wait().unwrap_err();
        assert!(error.to_string().contains("not what the protocol says"), "{line}: {error}");
    }
}

#[test]
fn a_wait_goes_on_while_it_runs_and_asks_again_where_nobody_waits() {
    let running = || Step::ok(r#"{"status":"running"}"#);
    let ended = || Step::ok(r#"{"status":"failed","exitCode":3}"#);
    let server = FaultServer::start(Script::new().step(running()).then(ended())).unwrap();
    let process = client(&server).sandbox("box").processes().wait("x").wait().unwrap();
    assert_eq!(process.exit_code, 3);
    assert!(server.arrivals().iter().all(|asked| asked.path().ends_with("/process/x/wait")));
    let old = Script::new()
        .on("GET", &format!("{LOG}/x/wait"), Step::status(404).body("404 page not found"))
        .on("GET", LOG, Steps::new().step(running()).then(ended()));
    let server = FaultServer::start(old).unwrap();
    assert_eq!(client(&server).sandbox("box").processes().wait("x").wait().unwrap().exit_code, 3);
    let unknown = Step::status(404).body(r#"{"error":"there is no process"}"#);
    let server = FaultServer::start(unknown).unwrap();
    let error = client(&server).sandbox("box").processes().wait("x").wait().unwrap_err();
    assert_eq!((error.kind(), server.arrivals().len()), (ErrorKind::NotFound, 1));
}

#[test]
fn an_input_is_written_once_and_closed() {
    let script = Script::new()
        .on("POST", &format!("{LOG}/77/stdin"), Step::ok("{}"))
        .on("DELETE", LOG, Step::ok("{}"))
        .on("POST", LOG, exact(&[A]).delay_body(Duration::from_secs(1)))
        .on("GET", LOG, exact(&[RESULT]));
    let server = FaultServer::start(script).unwrap();
    client(&server).sandbox("box").processes().exec("cat").stdin("some input").wait().unwrap();
    let bodies: Vec<_> = server.arrivals_of("POST").iter().map(|sent| sent.body.length).collect();
    assert_eq!((bodies[1], server.arrivals_of("DELETE").len()), (10, 1));
}
