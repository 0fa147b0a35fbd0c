//! Section B: statuses and headers.

use std::time::Duration;

use reveille::{ErrorKind, Method, RetryPolicy, StopReason};
use reveille_faults::{Body, FaultServer, Framing, Script, Step};

use crate::harness::{BOTH, HTTP1, Way, client, everywhere, quick};

const TRANSIENT: [u16; 5] = [425, 429, 502, 503, 504];

fn once(status: u16) -> Script {
    Script::new().step(Step::status(status)).then(Step::ok("awake"))
}

#[test]
fn b17_a_read_survives_the_five_transient_statuses() {
    for status in TRANSIENT {
        everywhere(
            BOTH,
            || once(status),
            |server, client, way| {
                let fetch = client.sandbox("box").network().fetch(3000, "/status");
                let (page, history) = way.finish(fetch.with_history()).unwrap();
                assert_eq!((page.text().as_ref(), page.stop_reason()), ("awake", None), "{status} {way:?}");
                assert_eq!(history.to_string(), format!("{status}, 200"), "{way:?}");
                assert_eq!(server.arrivals_of("GET").len(), 2, "{status} {way:?}");
                assert_eq!(server.arrivals()[0].path(), "/acme/sandboxes/box/port/3000/status");
            },
        );
    }
}

#[test]
fn b17_head_and_options_are_reads_and_nothing_else_is() {
    let rows =
        [("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("POST", 1), ("PUT", 1), ("PATCH", 1), ("DELETE", 1)];
    // B18: methods are told apart by their exact letters.
    let rows = rows.into_iter().chain([("get", 1), ("Get", 1), ("PROPFIND", 1), ("QUERY", 1)]);
    for (method, arrivals) in rows {
        let server = FaultServer::start(once(503)).unwrap();
        let wanted = Method::from_bytes(method.as_bytes()).unwrap();
        let page = client(&server).sandbox("box").network().fetch(3000, "/").method(wanted).wait().unwrap();
        assert_eq!(server.arrivals_of(method).len(), arrivals, "{method}");
        let (status, stop) = if arrivals == 2 { (200, None) } else { (503, Some(StopReason::NotReplayable)) };
        assert_eq!((page.status().as_u16(), page.stop_reason()), (status, stop), "{method}");
    }
}

#[test]
fn b17_other_statuses_are_answers() {
    for status in [301, 303, 400, 401, 402, 403, 404, 408, 409, 413, 500, 501, 505, 507, 511, 520, 524] {
        everywhere(
            HTTP1,
            || once(status),
            |server, client, way| {
                let fetch = client.sandbox("box").network().fetch(3000, "/");
                let (page, _) = way.finish(fetch.with_history()).unwrap();
                assert_eq!((page.status().as_u16(), page.stop_reason()), (status, None));
                assert_eq!(server.arrivals().len(), 1, "{status} {way:?}");
            },
        );
    }
}

#[test]
fn a_typed_read_survives_and_a_typed_mutation_stops() {
    let script = || Script::new().step(Step::status(503)).then(Step::ok(r#"{"mounts":[],"status":"ok"}"#));
    everywhere(BOTH, script, |server, client, way| {
        let (mounts, _) = way.finish(client.sandbox("box").drives().list().with_history()).unwrap();
        assert!(mounts.is_empty());
        assert_eq!(server.arrivals().len(), 2);
    });
    everywhere(BOTH, script, |server, client, way| {
        let (health, _) = way.finish(client.sandbox("box").system().health().with_history()).unwrap();
        assert_eq!((health.status.as_str(), server.arrivals().len()), ("ok", 2));
    });
    everywhere(BOTH, script, |server, client, way| {
        let call = client.sandbox("box").drives().mount("data", "/mnt/data").with_history();
        let error = way.finish(call).unwrap_err();
        assert!(error.may_have_run() && error.is_unavailable(), "{error}");
        assert_eq!(
            (error.status().unwrap().as_u16(), error.stop_reason()),
            (503, Some(StopReason::NotReplayable))
        );
        assert_eq!(server.arrivals().len(), 1);
    });
    everywhere(BOTH, script, |server, client, way| {
        assert!(way.finish(client.sandbox("box").drives().unmount("/mnt/data").with_history()).is_err());
        assert_eq!(server.arrivals_of("DELETE").len(), 1);
    });
    everywhere(BOTH, script, |server, client, way| {
        assert!(way.finish(client.sandbox("box").system().upgrade().with_history()).is_err());
        assert_eq!(server.arrivals_of("POST").len(), 1);
    });
}

#[test]
fn b17_when_the_retries_are_spent_fetch_gives_the_last_response_and_a_typed_call_an_error() {
    let script = || {
        let page = Body::repeat("x", 100_000);
        Step::status(503).header("x-request-id", "r1").body(page).into()
    };
    everywhere(BOTH, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/");
        let (page, history) = way.finish(fetch.with_history()).unwrap();
        assert_eq!((page.status().as_u16(), page.bytes().len(), history.len()), (503, 100_000, 6));
        assert_eq!(page.stop_reason(), Some(StopReason::Exhausted));
        assert_eq!(server.arrivals().len(), 6);

        let error = way.finish(client.sandbox("box").drives().list().with_history()).unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), error.body().unwrap().len()), (503, 4096));
        assert_eq!((error.request_id(), error.attempts()), (Some("r1"), 6));
        assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Unavailable, false));
        let said = error.to_string();
        assert!(said.starts_with("GET /drives/mount: 503 after 6 attempts in "), "{said}");
        assert!(said.ends_with("(503, 503, 503, 503, 503, 503); stopped: retries spent"), "{said}");
        assert_eq!(server.arrivals().len(), 12);
    });
}

#[test]
fn b19_a_head_request_does_not_wait_for_the_body_that_its_answer_declares() {
    let bare = || Step::status(503).framing(Framing::Bare).content_length(5_000);
    everywhere(
        HTTP1,
        || Script::new().step(bare()).then(Step::status(200)),
        |server, client, way| {
            let fetch = client.sandbox("box").network().fetch(3000, "/").head();
            let (page, _) = way.finish(fetch.with_history()).unwrap();
            assert_eq!(page.status().as_u16(), 200);
            assert_eq!((server.arrivals_of("HEAD").len(), server.counts().connections), (2, 1));
        },
    );
}

#[test]
fn b22_a_usage_limit_is_final() {
    let server = FaultServer::start(Step::status(402)).unwrap();
    let error = client(&server).sandbox("box").system().health().wait().unwrap_err();
    assert_eq!((error.kind(), server.arrivals().len()), (ErrorKind::Denied, 1));
}

#[test]
fn b23_a_server_that_asks_for_too_much_is_not_waited_for() {
    let script = || Step::status(503).header("retry-after", "3600").into();
    everywhere(BOTH, script, |server, client, way| {
        let error = way.finish(client.sandbox("box").system().health().with_history()).unwrap_err();
        let hour = Duration::from_secs(3600);
        assert_eq!(error.stop_reason(), Some(StopReason::ServerDelayTooLong(hour)));
        assert_eq!((error.retry_after(), server.arrivals().len()), (Some(hour), 1));
    });
}

#[test]
fn b23_a_server_that_asks_for_no_wait_gets_the_policys_own() {
    let script = || Script::new().step(Step::status(429).header("retry-after", "0")).then(Step::ok(""));
    everywhere(HTTP1, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/");
        assert!(way.finish(fetch.with_history()).is_ok());
        assert_eq!(server.arrivals().len(), 2);
    });
}

#[test]
fn b24_large_endless_and_closing_answers_are_let_go_before_the_wait() {
    let html = || Step::status(502).body(Body::repeat("<p>", 3_000_000));
    let rows = [html(), Step::status(503).body(Body::endless("x")), Step::status(503).connection_close()];
    for answer in rows {
        let server = FaultServer::start(Script::new().step(answer).then(Step::ok("awake"))).unwrap();
        // Long enough for the server to see that nothing is open during the wait.
        let patient = RetryPolicy::builder().base(Duration::from_secs(1)).build().unwrap();
        let fetch = client(&server).sandbox("box").network().fetch(3000, "/").retry(patient);
        let call = std::thread::spawn(move || fetch.wait());
        let counts = server.wait_for_counts("nothing open during the wait", |counts| {
            counts.arrivals == 1 && counts.open == 0
        });
        assert_eq!(counts.wait().unwrap().arrivals, 1);
        assert_eq!(call.join().unwrap().unwrap().text(), "awake");
        assert_eq!(server.arrivals().len(), 2);
    }
}

#[test]
fn b24_a_short_answer_leaves_its_connection_for_the_next_attempt() {
    let script = || Script::new().step(Step::status(503).body("soon").times(2)).then(Step::ok("awake"));
    // Long enough for the connection to be back in the pool.
    let patient =
        RetryPolicy::builder().base(Duration::from_millis(30)).jitter(Duration::ZERO).build().unwrap();
    everywhere(BOTH, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").retry(patient);
        assert!(way.finish(fetch.with_history()).is_ok());
        assert_eq!((server.counts().arrivals, server.counts().connections), (3, 1), "{way:?}");
    });
}

#[test]
fn b25_odd_statuses() {
    // (status line, what the history says, arrivals)
    for (line, seen, arrivals) in [("999", "999", 1), ("99", "no http, 200", 2), ("000", "no http, 200", 2)] {
        let script = || Script::new().step(reveille_faults::Answer::status_text(line)).then(Step::ok(""));
        everywhere(HTTP1, script, |server, client, way| {
            let fetch = client.sandbox("box").network().fetch(3000, "/");
            let (_, history) = way.finish(fetch.with_history()).unwrap();
            assert_eq!((history.to_string().as_str(), server.arrivals().len()), (seen, arrivals), "{line}");
        });
    }
}

#[test]
fn b25_a_reason_phrase_means_nothing() {
    let answer = || Step::status(503).reason(b"Perfectly Fine \xff");
    everywhere(
        HTTP1,
        || Script::new().step(answer()).then(Step::ok("").reason("")),
        |server, client, way| {
            let fetch = client.sandbox("box").network().fetch(3000, "/");
            let (_, history) = way.finish(fetch.with_history()).unwrap();
            assert_eq!((history.to_string().as_str(), server.arrivals().len()), ("503, 200", 2));
        },
    );
}

#[test]
fn b25_a_success_that_looks_like_an_error_page_is_an_answer() {
    let server = FaultServer::start(Step::ok("<h1>503 Service Unavailable</h1>")).unwrap();
    let error = client(&server).sandbox("box").system().health().wait().unwrap_err();
    assert_eq!((error.kind(), server.arrivals().len()), (ErrorKind::Decode, 1));
}

#[test]
fn a14_redirects_are_answers() {
    for status in [301, 303, 307, 308] {
        let step = Step::status(status).header("location", "/elsewhere");
        let server = FaultServer::start(Script::from(step)).unwrap();
        let network = client(&server).sandbox("box").network();
        assert_eq!(network.fetch(3000, "/").wait().unwrap().status().as_u16(), status);
        assert_eq!(network.fetch(3000, "/").post().wait().unwrap().status().as_u16(), status);
        assert!(server.arrivals().iter().all(|arrival| arrival.path().ends_with("/port/3000/")));
        assert_eq!(server.arrivals().len(), 2);
    }
}

#[test]
fn a_policy_may_name_other_statuses() {
    let server = FaultServer::start(once(520)).unwrap();
    let policy = RetryPolicy::builder()
        .base(Duration::from_millis(1))
        .jitter(Duration::ZERO)
        .statuses(reveille::StatusSet::TRANSIENT.with(520))
        .build()
        .unwrap();
    let fetch = client(&server).sandbox("box").network().fetch(3000, "/").retry(policy);
    assert_eq!(Way::Waited.finish(fetch.with_history()).unwrap().1.to_string(), "520, 200");
    assert_ne!(policy, quick());
}
