//! The resume window, as a client behind the relay sees it: not at all.

use std::time::Duration;

use reveille::RetryPolicy;
use reveille_faults::{End, FaultServer, Moment, Refusing, Script, Step};

use crate::place::{BOX, ask_with, get, plain, post, relay, to};

#[test]
fn a_read_survives_the_window_and_is_told_what_it_met() {
    let script =
        Script::new().step(Step::status(503)).step(Step::reset(Moment::AfterRequest)).then(Step::ok("awake"));
    let platform = FaultServer::start(script).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = get(&relay, "/port/3000/status");
    assert_eq!((answer.status, answer.text()), (200, "awake".to_owned()));
    let told = answer.header("reveille-attempts").unwrap();
    assert!(told.starts_with("503, reset, 200; waited ") && told.ends_with(" ms"), "{told}");
}

#[test]
fn a_read_that_offers_another_protocol_in_passing_is_a_read() {
    for offer in [
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: Upgrade\r\nupgrade: TLS/1.2\r\n",
    ] {
        let script = Script::new().step(Step::status(503)).then(Step::ok("awake"));
        let platform = FaultServer::start(script).unwrap();
        let relay = relay(plain(&platform.url()));
        let answer = ask_with(&relay, "GET", &format!("{BOX}/port/3000/status"), offer, "");
        assert_eq!((answer.status, answer.text()), (200, "awake".to_owned()));
        let stayed = |name| platform.arrivals().iter().all(|arrival| arrival.header(name).is_none());
        assert!(stayed("upgrade") && stayed("http2-settings"), "{:?}", platform.arrivals());
    }
}

#[test]
fn a_mutation_wakes_its_sandbox_and_is_sent_once() {
    let window = Step::status(503).lasting(Duration::from_millis(80));
    let platform = FaultServer::start(Script::new().step(window).then(Step::ok("done"))).unwrap();
    let relay = relay(to(&platform.url()));
    let answer = post(&relay, "/process", "{}");
    assert_eq!((answer.status, answer.text()), (200, "done".to_owned()));
    assert!(answer.header("reveille-attempts").unwrap().starts_with("200; waited "));
    assert_eq!(platform.arrivals_of("POST").len(), 1);
}

#[test]
fn one_client_looks_and_the_others_wait_for_its_word() {
    let window = Step::status(503).lasting(Duration::from_millis(200));
    let platform = FaultServer::start(Script::new().step(window).then(Step::ok("done"))).unwrap();
    let relay = relay(to(&platform.url()));
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| assert_eq!(post(&relay, "/process", "{}").status, 200));
        }
    });
    assert_eq!(platform.arrivals_of("POST").len(), 40);
    // 10 ms, then twice as long each time, up to 500 ms; a slow machine asks less often, not more.
    let probes = platform.arrivals_of("GET");
    assert!(probes.iter().all(|probe| probe.target == "/acme/sandboxes/box/health"));
    assert!(probes.len() <= 12, "{} probes for forty clients", probes.len());
}

#[test]
fn a_connection_that_died_costs_no_read_and_replays_no_mutation() {
    let platform = FaultServer::start(Step::ok("here").then(End::Close)).unwrap();
    let relay = relay(plain(&platform.url()));
    for round in 0..30 {
        let read = get(&relay, "/health");
        assert_eq!(read.status, 200, "round {round}: {read:?}");
        let mutation = post(&relay, "/process", "{}");
        // Where the end of the connection arrives while the request goes out on it, nobody knows what became of it.
        let unknown = mutation.status == 502 && mutation.header("x-should-retry") == Some("false");
        assert!(mutation.status == 200 || unknown, "round {round}: {mutation:?}");
    }
    assert!(platform.arrivals_of("POST").len() <= 30);
}

#[test]
fn when_the_budget_is_spent_the_last_answer_is_the_answer() {
    let last = Step::status(503).header("retry-after-ms", "1").header("x-own", "7").body("still asleep");
    let platform = FaultServer::start(last).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = get(&relay, "/health");
    assert_eq!((answer.status, answer.text()), (503, "still asleep".to_owned()));
    assert_eq!(answer.header("x-own"), Some("7"));
    assert!(answer.header("reveille-attempts").unwrap().starts_with("503, 503, 503, 503, 503, 503; waited "));
    assert_eq!(platform.arrivals().len(), 6);
}

#[test]
fn a_mutation_that_was_never_sent_is_answered_with_the_proof_of_it() {
    let platform = FaultServer::start(Step::status(503)).unwrap();
    let quick = RetryPolicy::builder().base(Duration::from_millis(5)).retries(2).build().unwrap();
    let relay = relay(to(&platform.url()).retry(quick));
    let answer = post(&relay, "/process", "{}");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("x-blaxel-source"), Some("platform"));
    assert_eq!(answer.header("x-blaxel-error-code"), Some("WORKLOAD_UNAVAILABLE"));
    assert_eq!(answer.header("x-blaxel-dispatch-state"), Some("not_dispatched"));
    assert!(answer.header("retry-after").is_some());
    let error = answer.json()["error"].clone();
    assert_eq!(error["dispatch_state"], "not_dispatched");
    assert_eq!((&error["safe_to_retry_request"], &error["retryable"]), (&true.into(), &true.into()));
    assert!(platform.arrivals_of("POST").is_empty());
}

#[test]
fn a_platform_that_is_down_is_a_503_and_nothing_was_handed_on() {
    let refusing = Refusing::new().unwrap();
    let relay = relay(plain(&refusing.url()));
    for answer in [get(&relay, "/health"), post(&relay, "/process", "{}")] {
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("x-blaxel-dispatch-state"), Some("not_dispatched"));
        let told = answer.header("reveille-attempts").unwrap();
        assert!(told.starts_with("refused, refused, refused, refused, refused, refused; waited"), "{told}");
    }
}

#[test]
fn a_mutation_that_may_have_run_is_answered_so_that_nobody_repeats_it() {
    let platform = FaultServer::start(Step::reset(Moment::AfterRequest)).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = post(&relay, "/process", "{}");
    assert_eq!((answer.status, platform.arrivals().len()), (502, 1));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.header("x-blaxel-dispatch-state"), None);
    assert_eq!(answer.header("reveille-attempts"), Some("reset"));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("may have run"));
}

#[test]
fn a_status_of_the_window_to_a_mutation_says_that_nobody_is_to_repeat_it() {
    let platform = FaultServer::start(Step::status(503)).unwrap();
    let relay = relay(plain(&platform.url()));
    for target in ["/process", "/port/3000/orders"] {
        assert_eq!(post(&relay, target, "{}").header("x-should-retry"), Some("false"), "{target}");
    }
    assert_eq!(get(&relay, "/health").header("x-should-retry"), None);
    let other = FaultServer::start(Step::status(500)).unwrap();
    let relay = self::relay(plain(&other.url()));
    assert_eq!(post(&relay, "/process", "{}").header("x-should-retry"), None);
}

#[test]
fn whoever_says_that_a_mutation_may_be_repeated_is_not_talked_over() {
    let platform = FaultServer::start(Step::status(503).header("x-should-retry", "true")).unwrap();
    let relay = relay(plain(&platform.url()));
    assert_eq!(post(&relay, "/process", "{}").header("x-should-retry"), Some("true"));
}

#[test]
fn a_read_that_brought_nothing_says_so_and_is_no_proof() {
    let platform = FaultServer::start(Step::reset(Moment::AfterRequest)).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = get(&relay, "/health");
    assert_eq!((answer.status, platform.arrivals().len()), (502, 6));
    assert_eq!((answer.header("x-blaxel-dispatch-state"), answer.header("x-should-retry")), (None, None));
    assert_eq!(answer.json()["error"]["retryable"], true);
}

#[test]
fn a_short_body_can_be_sent_again_where_it_is_proven_that_it_was_not_handed_on() {
    let body = r#"{"error":{"code":"WORKLOAD_UNAVAILABLE","origin":"platform","retryable":true,
        "dispatch_state":"not_dispatched","safe_to_retry_request":true}}"#;
    let proof = Step::status(404).body(body).header("x-blaxel-source", "platform");
    let proof = proof
        .header("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE")
        .header("x-blaxel-dispatch-state", "not_dispatched");
    let platform = FaultServer::start(Script::new().step(proof).then(Step::ok("done"))).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = post(&relay, "/process", r#"{"command":"true"}"#);
    assert_eq!((answer.status, answer.text()), (200, "done".to_owned()));
    let lengths: Vec<_> = platform.arrivals().iter().map(|arrival| arrival.body.length).collect();
    assert_eq!(lengths, [18, 18]);
}

#[test]
fn the_control_plane_is_reached_below_v0_and_its_mutations_are_not_repeated() {
    let platform = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok("[]"))).unwrap();
    let relay = relay(plain(&platform.url()));
    assert_eq!(ask_with(&relay, "POST", "/v0/sandboxes", "", "{}").status, 503);
    assert_eq!(ask_with(&relay, "GET", "/v0/sandboxes?limit=1", "", "").status, 200);
    let targets: Vec<_> = platform.arrivals().into_iter().map(|arrival| arrival.target).collect();
    assert_eq!(targets, ["/v0/sandboxes", "/v0/sandboxes?limit=1"]);
}
