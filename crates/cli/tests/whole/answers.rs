//! What is said of an answer: whose it is, what it means, and what helps.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reveille_faults::{Answer, Body, End, FaultServer, Moment, Script, Step};
use serde_json::{Value, json};

use crate::place::{Host, Place, Said, said, signal};

/// A time that no test waits for.
const LONG: Duration = Duration::from_secs(100);

fn server(step: impl Into<Step>) -> FaultServer {
    FaultServer::start(Script::new().then(step)).unwrap()
}

/// `reveille` with a fault server for its platform, which sends everything twice at the most.
fn at(place: &Place, server: &FaultServer) -> Command {
    let mut command = place.command();
    command.env("BL_API_URL", format!("{}/v0", server.url())).env("BL_RUN_URL", server.url());
    command.env("BL_API_KEY", "key").env("BL_WORKSPACE", "acme").env("BL_SANDBOX_READ_RETRIES", "1");
    command
}

/// What is said within a deadline, where that is long enough for an answer to come as far as `so`: a machine that is busy
/// with much else gets more.
fn in_time(say: impl Fn(&str) -> Said, so: impl Fn(&Said) -> bool) -> Said {
    let mut all = ["300ms", "3s", "30s"].into_iter().map(say);
    all.find(so).expect("the answer never comes so far")
}

fn fetch(place: &Place, server: &FaultServer, more: &[&str]) -> Said {
    said(at(place, server).args(["fetch", "box", "3000", "/page"]).args(more))
}

/// An answer of the gateway's own.
fn platforms(status: u16, code: &str) -> Answer {
    let body = json!({"error": {"code": code, "message": "the sandbox is resuming", "status": status}});
    Step::status(status)
        .header("x-blaxel-source", "platform")
        .header("x-blaxel-error-code", code)
        .body(body.to_string())
}

#[test]
fn an_apps_own_503_is_the_apps_and_its_page_is_shown() {
    let place = Place::new();
    for status in [429, 503, 504] {
        let server = server(Step::status(status).body("come back later"));
        for flags in [&[][..], &["-N"], &["-o", "-"]] {
            let said = fetch(&place, &server, flags);
            assert_eq!((said.code, said.text().as_str()), (Some(75), "come back later"), "{said:?}");
            assert!(said.err.contains(&format!("GET /port/3000/page: {status} twice in ")), "{said:?}");
            assert!(!said.err.contains("unavailable"), "{said:?}");
        }
    }
}

#[test]
fn in_json_an_apps_own_503_is_shown_and_said_to_be_the_apps() {
    let place = Place::new();
    let server = server(Step::status(503).body("come back later"));
    let said = fetch(&place, &server, &["--json"]);
    assert_eq!((&said.json()["status"], &said.json()["body"]), (&503.into(), &"come back later".into()));
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(
        (said.code, &error["exit"], &error["reveille"]["answeredBy"]),
        (Some(75), &75.into(), &"app".into())
    );
}

#[test]
fn what_came_of_a_page_that_is_cut_is_shown_and_is_no_success() {
    let place = Place::new();
    let page = "x".repeat(100_000);
    let server = server(Step::ok(page).cut_body(70_000, End::Reset));
    let said = fetch(&place, &server, &[]);
    assert_eq!(said.code, Some(75), "{}", said.err);
    assert!(said.err.contains("GET /port/3000/page: ") && !said.err.contains("unavailable"), "{}", said.err);
    assert!(!said.out.is_empty() && said.out.iter().all(|byte| *byte == b'x'), "{}", said.err);
}

#[test]
fn the_gateways_503_is_the_sandboxes_and_is_explained() {
    let place = Place::new();
    let server = server(platforms(503, "WORKLOAD_UNAVAILABLE"));
    let said = fetch(&place, &server, &[]);
    assert_eq!((said.code, said.out.len()), (Some(75), 0), "{said:?}");
    assert!(said.err.contains("sandbox \"box\" stayed unavailable: 503 twice in "), "{said:?}");
    assert!(said.err.contains("the sandbox is resuming") && said.err.contains("--deadline 60s"), "{said:?}");
    let error: Value = serde_json::from_str(&fetch(&place, &server, &["--json"]).err).unwrap();
    assert_eq!(error["reveille"]["code"], "WORKLOAD_UNAVAILABLE");
}

#[test]
fn a_port_where_nobody_listens_is_what_is_said_and_not_a_sandbox_that_sleeps() {
    let place = Place::new();
    for (code, flags) in [("PORT_NOT_LISTENING", &[][..]), ("PORT_NOT_ACCEPTING", &["-N"])] {
        let server = server(platforms(502, code));
        let said = fetch(&place, &server, flags);
        assert_eq!(said.code, Some(75), "{said:?}");
        assert!(said.err.contains("GET /port/3000/page: 502 twice in "), "{said:?}");
        assert!(said.err.contains("reveille exec -d box") && !said.err.contains("--deadline"), "{said:?}");
    }
}

#[test]
fn on_this_machine_a_port_where_nobody_listens_is_named() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let said = place.run(["fetch", "box", &free, "/", "--retries", "1"]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.err.contains(&format!("nothing listens on port {free}")), "{said:?}");
    assert!(!said.err.contains("unavailable") && !said.err.contains("--deadline"), "{said:?}");
}

#[test]
fn only_a_key_that_the_platform_refuses_is_one_for_another_workspace() {
    let place = Place::new();
    let mount = |step: Answer| {
        said(at(&place, &server(step)).args(["drive", "mount", "box", "data", "/mnt", "--no-probe"]))
    };
    let denied = mount(Step::status(403).body(r#"{"error":"permission denied: not for these labels"}"#));
    assert!(denied.code == Some(1) && denied.err.contains("permission denied: not for"), "{denied:?}");
    assert!(!denied.err.contains("workspace"), "{denied:?}");
    let refused = mount(platforms(403, "FORBIDDEN"));
    assert!(refused.code == Some(1) && refused.err.contains("another workspace"), "{refused:?}");
}

#[test]
fn a_mutation_that_may_have_run_says_so_and_shows_the_answer() {
    let place = Place::new();
    let server = server(Step::status(503).body("half done"));
    let said = fetch(&place, &server, &["--no-probe", "-d", "order"]);
    assert_eq!((said.code, said.text().as_str()), (Some(1), "half done"), "{said:?}");
    assert!(said.err.contains("it may have run; it was not repeated"), "{said:?}");
    assert_eq!(server.arrivals().len(), 1);
}

#[test]
fn a_deadline_bounds_a_page_that_never_begins() {
    let place = Place::new();
    let server = server(Step::hang(Moment::AfterRequest));
    for line in ["fetch box 3000 /", "health box", "list", "drive list box"] {
        let began = Instant::now();
        let said = said(at(&place, &server).args(line.split(' ')).args(["--deadline", "300ms"]));
        assert!(began.elapsed() < LONG, "{line}");
        assert_eq!(said.code, Some(75), "{line}: {said:?}");
        assert!(said.err.contains("no answer in "), "{line}: {said:?}");
    }
}

#[test]
fn a_deadline_bounds_what_never_ends() {
    let place = Place::new();
    let server = server(Step::ok(Body::endless("ha")));
    for flags in [&["-N"][..], &["-o", "file"], &["-o", "/dev/null"]] {
        let fetch = |deadline: &str| fetch(&place, &server, &[flags, &["--deadline", deadline]].concat());
        let said = in_time(fetch, |said| said.code != Some(75));
        assert_eq!(said.code, Some(1), "{flags:?}: {}", said.err);
        assert!(said.err.contains("out of time"), "{flags:?}: {}", said.err);
    }
    assert!(!place.path().join("file").exists());
}

#[test]
fn a_page_that_does_not_end_in_time_is_shown_as_far_as_it_came_and_is_not_called_unavailable() {
    let place = Place::new();
    let server = server(Step::ok("x".repeat(100_000)).cut_body(70_000, End::Hang));
    let has_come = |said: &Said| said.out.iter().filter(|byte| **byte == b'x').count() == 70_000;
    for flags in [&[][..], &["-N"], &["-o", "-"]] {
        let fetch = |deadline: &str| fetch(&place, &server, &[flags, &["--deadline", deadline]].concat());
        let said = in_time(fetch, has_come);
        assert_eq!(said.code, Some(1), "{flags:?}: {}", said.err);
        assert!(said.err.contains("give it more with --deadline 60s"), "{flags:?}: {}", said.err);
        for untrue in ["unavailable", "wait longer", "look at the app"] {
            assert!(!said.err.contains(untrue), "{flags:?}: {}", said.err);
        }
    }
    let said = in_time(|deadline| fetch(&place, &server, &["--deadline", deadline]), has_come);
    assert!(said.err.contains("GET /port/3000/page: the answer did not end in "), "{}", said.err);
    assert!(said.err.contains("70.0 KB of it had come"), "{}", said.err);
    let said = in_time(
        |deadline| fetch(&place, &server, &["--deadline", deadline, "--json"]),
        |said| said.code != Some(75),
    );
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((&error["exit"], &error["reveille"]["stopped"]), (&1.into(), &"out of time".into()));
}

#[test]
fn what_was_changed_and_answered_without_end_is_not_to_be_sent_again() {
    let place = Place::new();
    let fetch = |deadline: &str| {
        let server = server(Step::ok("x".repeat(100_000)).cut_body(70_000, End::Hang));
        let said = fetch(&place, &server, &["--no-probe", "-d", "order", "--deadline", deadline]);
        assert!(server.arrivals().len() <= 1);
        said
    };
    let said = in_time(fetch, |said| said.out.iter().filter(|byte| **byte == b'x').count() == 70_000);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("it was answered with 200, and was not repeated"), "{}", said.err);
    assert!(!said.err.contains("send it again"), "{}", said.err);
}

#[test]
fn a_longer_deadline_is_advised_only_where_it_is_longer() {
    let place = Place::new();
    let server = server(platforms(503, "WORKLOAD_UNAVAILABLE"));
    for (given, advised) in
        [("20s", "--deadline 60s"), ("60s", "--deadline 5m"), ("300s", "a longer --deadline")]
    {
        let said = fetch(&place, &server, &["--retries", "1", "--deadline", given]);
        assert_eq!(said.code, Some(75), "{}", said.err);
        assert!(said.err.contains(&format!("wait longer with {advised}")), "{}", said.err);
    }
}

#[test]
fn a_deadline_bounds_a_command_in_a_sandbox() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let exec = |deadline: &str| place.run(["exec", "box", "--deadline", deadline, "--", "sleep 987"]);
    let said = in_time(exec, |said| said.code == Some(1));
    assert!(!said.err.contains("send it again"), "{said:?}");
}

#[test]
fn a_long_error_breaks_between_words_on_a_narrow_terminal() {
    let place = Place::new();
    let Ok(script) = Command::new("script").arg("--version").output() else {
        eprintln!("SKIPPED: there is no script(1) here to give a terminal");
        return;
    };
    assert!(script.status.success());
    let server = server(platforms(503, "WORKLOAD_UNAVAILABLE"));
    let mut command = Command::new("script");
    let line =
        format!("stty rows 24 cols 40; {} fetch box 3000 /page --retries 0", env!("CARGO_BIN_EXE_reveille"));
    command.args(["-qec", &line, "/dev/null"]);
    for (name, value) in at(&place, &server).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let text = said(command.stdin(Stdio::null())).text();
    let plain = anstream::adapter::strip_str(&text).to_string();
    let lines: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert!(lines.len() > 3 && lines.iter().all(|line| line.chars().count() <= 40), "{lines:?}");
    assert!(lines[0].starts_with("error: sandbox \"box\" stayed"), "{lines:?}");
    assert!(lines[1].starts_with("       "), "{lines:?}");
}

#[test]
fn a_mutation_whose_sandbox_does_not_wake_was_not_sent_and_says_so() {
    let place = Place::new();
    let server = server(platforms(503, "WORKLOAD_UNAVAILABLE"));
    let said = fetch(&place, &server, &["-d", "order"]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.err.contains("sandbox \"box\" did not wake in time: 503"), "{said:?}");
    assert!(said.err.contains("the request was not sent: nothing ran"), "{said:?}");
    assert!(server.arrivals_of("POST").is_empty());
}

#[test]
fn whoever_gives_up_on_a_new_sandbox_is_told_that_it_may_be_there() {
    let place = Place::new();
    let server = server(Step::hang(Moment::AfterRequest));
    let mut command = at(&place, &server);
    let creating = command.args(["create", "new"]).stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for_arrivals(1).wait().unwrap();
    signal(creating.id(), "INT");
    let said = creating.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(130), "{said:?}");
    let err = String::from_utf8(said.stderr).unwrap();
    assert!(err.contains("may be there: reveille get new"), "{err}");
}

#[test]
fn what_a_forward_proxy_refuses_is_said_with_its_reason_and_without_its_login() {
    let place = Place::new();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stream = proxy.accept().unwrap().0;
        let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        assert!(head.count() > 0);
        stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").unwrap();
    });
    for (proxy, why) in [
        (format!("http://me:hunter2@{address}"), "the proxy answered 407 to CONNECT"),
        ("ftp://me:hunter2@127.0.0.1:1".to_owned(), "what HTTP_PROXY names is no proxy that is spoken to"),
    ] {
        let mut command = place.command();
        command.env("BL_API_URL", "http://platform.invalid/v0").env("BL_API_KEY", "key");
        let said = said(command.env("HTTP_PROXY", proxy).arg("list"));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("the forward proxy refused") && said.err.contains(why), "{said:?}");
        assert!(said.err.contains("see what HTTPS_PROXY"), "{said:?}");
        assert!(!said.err.contains("hunter2"), "{said:?}");
    }
}
