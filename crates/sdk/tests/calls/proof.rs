//! Section B, points 20 and 21: the gateway's 404, and who may be believed.

use reveille::{Client, ErrorKind, StopReason};
use reveille_faults::{Answer, FaultServer, Script, Step};

use crate::harness::{BOTH, HTTP1, client, everywhere};

const PROOF: &str = r#"{"error":{"code":"WORKLOAD_UNAVAILABLE","status":404,"message":"waking","origin":"platform",
    "retryable":true,"dispatch_state":"not_dispatched","safe_to_retry_request":true}}"#;

fn unavailable(body: &str) -> Answer {
    Step::status(404)
        .header("x-blaxel-source", "platform")
        .header("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE")
        .body(body.to_owned())
}

fn proof(body: &str) -> Answer {
    unavailable(body).header("x-blaxel-dispatch-state", "not_dispatched")
}

/// How often each of these arrives when the gateway answers so once: a read of the platform, a mutation of the
/// platform, a read of an app, a mutation of an app.
fn arrivals(answer: &Answer) -> [usize; 4] {
    let calls: [fn(&Client); 4] = [
        |client| drop(client.sandbox("box").system().health().wait()),
        |client| drop(client.sandbox("box").drives().mount("data", "/mnt/data").wait()),
        |client| drop(client.sandbox("box").network().fetch(3000, "/").wait()),
        |client| drop(client.sandbox("box").network().fetch(3000, "/").post().wait()),
    ];
    calls.map(|call| {
        let script = Script::new().step(answer.clone()).then(Step::ok("{}"));
        let server = FaultServer::start(script).unwrap();
        call(&client(&server));
        server.arrivals().len()
    })
}

#[test]
fn b20_a_404_is_believed_as_far_as_it_proves_something() {
    let without = |from: &str, to: &str| proof(&PROOF.replace(from, to));
    let rows = [
        ("the app's own", Step::status(404).body(PROOF), [1, 1, 1, 1]),
        ("full proof", proof(PROOF), [2, 2, 2, 1]),
        ("no dispatch state in the header", unavailable(PROOF), [2, 1, 2, 1]),
        ("no dispatch state in the body", without(r#","dispatch_state":"not_dispatched""#, ""), [2, 1, 2, 1]),
        (
            "not safe to retry",
            without(r#""safe_to_retry_request":true"#, r#""safe_to_retry_request":false"#),
            [2, 1, 2, 1],
        ),
        ("another code in the body", without("WORKLOAD_UNAVAILABLE", "WORKLOAD_NOT_FOUND"), [1, 1, 1, 1]),
        ("not retryable", without(r#""retryable":true"#, r#""retryable":false"#), [1, 1, 1, 1]),
        ("retryable as text", without(r#""retryable":true"#, r#""retryable":"true""#), [2, 1, 2, 1]),
        ("no JSON", proof("<html>"), [2, 1, 2, 1]),
        ("no UTF-8", proof("").body(&b"\xff\xfe"[..]), [2, 1, 2, 1]),
        ("deeply nested", proof(&"[".repeat(5_000)), [2, 1, 2, 1]),
        ("larger than is read", proof(&format!("{PROOF}{}", " ".repeat(70_000))), [2, 1, 2, 1]),
        ("a header twice", proof(PROOF).header("x-blaxel-source", "platform"), [1, 1, 1, 1]),
        (
            "no source",
            Step::status(404).header("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE").body(PROOF),
            [1, 1, 1, 1],
        ),
    ];
    for (name, answer, expected) in rows {
        assert_eq!(arrivals(&answer), expected, "{name}");
    }
}

#[test]
fn b20_a_proven_mutation_runs_once_in_the_end() {
    let answer = r#"{"success":true,"driveName":"data","mountPath":"/mnt/data"}"#;
    let script = || Script::new().step(proof(PROOF).times(2)).then(Step::ok(answer));
    everywhere(BOTH, script, |server, client, way| {
        let call = client.sandbox("box").drives().mount("data", "/mnt/data").with_history();
        let (mount, history) = way.finish(call).unwrap();
        assert_eq!((mount.drive.as_str(), history.to_string().as_str()), ("data", "404, 404, 200"));
        let bodies = server.arrivals_of("POST");
        assert!(bodies.iter().all(|arrival| arrival.body.sha256 == bodies[0].body.sha256));
        assert_eq!(bodies.len(), 3);
    });
}

#[test]
fn b20_a_mutation_that_is_still_refused_at_the_end_has_not_run() {
    let server = FaultServer::start(Script::from(proof(PROOF))).unwrap();
    let error = client(&server).sandbox("box").drives().mount("data", "/mnt/data").wait().unwrap_err();
    assert_eq!((error.kind(), error.may_have_run(), error.attempts()), (ErrorKind::Unavailable, false, 6));
    assert_eq!(error.stop_reason(), Some(StopReason::Exhausted));
}

#[test]
fn b21_what_answers_at_a_url_from_code_is_no_witness_unless_it_is_authorized() {
    for (authorized, arrivals) in [(false, 1), (true, 2)] {
        let script = Script::new().step(proof(PROOF)).then(Step::ok("{}"));
        let server = FaultServer::start(script).unwrap();
        let sandbox = client(&server).sandbox_at(server.url());
        let sandbox = if authorized { sandbox.authorized() } else { sandbox };
        drop(sandbox.drives().mount("data", "/mnt/data").wait());
        assert_eq!(server.arrivals().len(), arrivals);
        let key = server.arrivals()[0].header("x-blaxel-authorization").map(str::to_owned);
        assert_eq!(key.as_deref(), authorized.then_some("Bearer key"));
    }
}

#[test]
fn e47_a_sandbox_that_is_gone_ends_the_call_at_once() {
    let gone = Step::status(404)
        .header("x-blaxel-source", "platform")
        .header("x-blaxel-error-code", "WORKLOAD_NOT_FOUND")
        .body(r#"{"error":{"code":"WORKLOAD_NOT_FOUND","message":"no such sandbox","origin":"platform"}}"#);
    let script = || Script::new().step(unavailable(PROOF)).then(gone.clone());
    everywhere(BOTH, script, |server, client, way| {
        let error = way.finish(client.sandbox("box").system().health().with_history()).unwrap_err();
        assert_eq!((error.kind(), error.explanation()), (ErrorKind::NotFound, Some("no such sandbox")));
        assert_eq!((error.stop_reason(), server.arrivals().len()), (None, 2));
    });
}

#[test]
fn e48_one_wake_with_many_faces_is_one_history() {
    let reset = || Step::reset(reveille_faults::Moment::AfterRequest);
    let script = || {
        let head = Script::new().step(Step::status(502).times(2)).step(unavailable(PROOF));
        head.step(reset()).then(Step::ok("awake"))
    };
    everywhere(HTTP1, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/");
        let (_, history) = way.finish(fetch.with_history()).unwrap();
        assert_eq!(history.to_string(), "502, 502, 404, reset, 200");
        assert_eq!(server.arrivals().len(), 5);
    });
}
