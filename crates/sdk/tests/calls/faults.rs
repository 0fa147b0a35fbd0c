//! Section A: connections that break, over HTTP/1.1 or over both versions.

use std::time::Duration;

use reveille::{Dispatch, ErrorKind, HttpVersion, Proof, StopReason};
use reveille_faults::{BlackHole, End, FaultServer, Framing, Moment, Refusing, Script, Step};

use crate::harness::{BOTH, HTTP1, builder, client, everywhere, quick};

/// A fault, how a history calls it, and where it exists.
type Row = (&'static str, fn() -> Step, &'static str, &'static [HttpVersion]);

/// Faults after which nobody knows whether the request was carried out.
const UNKNOWN: [Row; 10] = [
    ("A5 reset on a fresh connection", || Step::reset(Moment::AfterRequest), "reset", HTTP1),
    ("A6 closed before the status line", || Step::close(Moment::AfterRequest), "closed", HTTP1),
    ("A6 closed inside the head", || Step::ok("hello").cut_head(9, End::Close).into(), "closed", HTTP1),
    ("A6 reset inside the head", || Step::ok("hello").cut_head(9, End::Reset).into(), "reset", HTTP1),
    ("A6 reset before the body", || Step::ok("hello").cut_body(0, End::Reset).into(), "body cut", BOTH),
    ("A7 closed in the body", || Step::ok("hello").cut_body(2, End::Close).into(), "body cut", BOTH),
    (
        "A7 chunked without an end",
        || Step::ok("hello").framing(Framing::Chunked).cut_body(5, End::Close).into(),
        "body cut",
        HTTP1,
    ),
    ("what is no HTTP", || Step::garbage("\u{16}\u{3}\u{1}\r\n\r\n"), "no http", HTTP1),
    ("B25 a status that is none", || Step::garbage("HTTP/1.1 99 Odd\r\n\r\n"), "no http", HTTP1),
    (
        "B25 two lengths that differ",
        || Step::garbage("HTTP/1.1 503 No\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
        "no http",
        HTTP1,
    ),
];

#[test]
fn a_read_survives_a_break() {
    for (name, fault, seen, versions) in UNKNOWN {
        everywhere(
            versions,
            || Script::new().step(fault()).then(Step::ok("hello")),
            |server, client, way| {
                let fetch = client.sandbox("box").network().fetch(3000, "/");
                let (page, history) = way.finish(fetch.with_history()).unwrap();
                assert_eq!(page.text(), "hello", "{name} {way:?}");
                assert_eq!(history.to_string(), format!("{seen}, 200"), "{name} {way:?}");
                assert_eq!(server.arrivals().len(), 2, "{name} {way:?}");
            },
        );
    }
}

#[test]
fn a_mutation_is_never_replayed_after_a_break() {
    for (name, fault, seen, versions) in UNKNOWN {
        everywhere(
            versions,
            || Script::new().step(fault()).then(Step::ok("hello")),
            |server, client, way| {
                let fetch = client.sandbox("box").network().fetch(3000, "/").post().body("order");
                let error = way.finish(fetch.with_history()).unwrap_err();
                assert!(error.may_have_run(), "{name} {way:?}: {error}");
                assert_eq!(error.stop_reason(), Some(StopReason::NotReplayable), "{name}");
                assert_eq!(error.history().unwrap().to_string(), seen, "{name} {way:?}");
                assert_eq!(server.arrivals_of("POST").len(), 1, "{name} {way:?}");
            },
        );
    }
}

#[test]
fn a_vouched_request_is_tried_again_with_the_same_body() {
    let script = || Script::new().step(Step::reset(Moment::AfterRequest)).then(Step::ok(""));
    everywhere(HTTP1, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").put().vouched().body("same");
        assert!(way.finish(fetch.with_history()).is_ok());
        let arrivals = server.arrivals_of("PUT");
        assert_eq!((arrivals.len(), arrivals[0].body.sha256 == arrivals[1].body.sha256), (2, true));
        assert_eq!(arrivals[1].body.length, 4);
    });
}

#[test]
fn a_get_that_starts_something_can_be_called_a_mutation() {
    let script = || Script::new().step(Step::reset(Moment::AfterRequest)).then(Step::ok(""));
    everywhere(HTTP1, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/start").mutation();
        assert!(way.finish(fetch.with_history()).unwrap_err().may_have_run());
        assert_eq!(server.arrivals().len(), 1);
    });
}

#[test]
fn a1_a_refused_connection_proves_that_nothing_ran() {
    let nobody = Refusing::new().unwrap();
    let network = builder(&nobody.url()).build().unwrap().sandbox("box").network();
    for error in [network.fetch(3000, "/").wait(), network.fetch(3000, "/").post().body("x").wait()] {
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 6));
        assert_eq!(error.dispatch(), Some(Dispatch::NotDispatched(Proof::Connect)));
        assert_eq!((error.may_have_run(), error.stop_reason()), (false, Some(StopReason::Exhausted)));
    }
}

#[test]
fn a1_a_name_that_is_not_resolved_proves_that_nothing_ran() {
    let network = builder("http://no-such-host.invalid").build().unwrap().sandbox("box").network();
    let error = network.fetch(3000, "/").post().retry(quick().with_retries(1)).wait().unwrap_err();
    assert_eq!(error.dispatch(), Some(Dispatch::NotDispatched(Proof::Resolve)), "{error}");
    assert_eq!((error.attempts(), error.may_have_run()), (2, false));
}

#[test]
fn a2_silence_is_a_read_timeout_and_proves_nothing() {
    let hole = BlackHole::new().unwrap();
    let client = builder(&hole.url()).read_timeout(Duration::from_millis(20)).build().unwrap();
    let network = client.sandbox("box").network();
    let read = network.fetch(3000, "/").retry(quick().with_retries(2)).wait().unwrap_err();
    assert_eq!(read.history().unwrap().to_string(), "read time-out, read time-out, read time-out");
    let mutation = network.fetch(3000, "/").post().wait().unwrap_err();
    assert_eq!((mutation.attempts(), mutation.may_have_run()), (1, true), "{mutation}");
}

#[test]
fn a11_a_body_that_stops_is_a_read_timeout() {
    let script = Script::new().step(Step::ok("hello").cut_body(2, End::Freeze)).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let client = builder(&server.url()).read_timeout(Duration::from_millis(50)).build().unwrap();
    let fetch = client.sandbox("box").network().fetch(3000, "/").retry(quick().with_retries(1_000));
    let page = fetch.wait().unwrap();
    assert_eq!(page.text(), "hello");
    // On a machine that is busy with much else, a server may be silent for so long that stops nowhere.
    let told = page.history().to_string();
    let before = told.strip_suffix("read time-out, 200").unwrap_or_else(|| panic!("{told}"));
    assert!(before.split(", ").all(|seen| seen.is_empty() || seen == "read time-out"), "{told}");
}

#[test]
fn a5_a_reset_on_a_reused_connection_does_not_replay_a_mutation() {
    let script =
        || Script::new().step(Step::ok("")).step(Step::reset(Moment::AfterRequest)).then(Step::ok(""));
    // Whether the first connection is back in the pool by then is a race; one that is reused is wanted.
    let reused = (0..100).find(|_| {
        let server = FaultServer::start(script()).unwrap();
        let network = client(&server).sandbox("box").network();
        network.fetch(3000, "/").wait().unwrap();
        let error = network.fetch(3000, "/").post().wait().unwrap_err();
        assert!(error.may_have_run(), "{error}");
        assert_eq!(server.arrivals_of("POST").len(), 1);
        server.counts().connections == 1
    });
    assert!(reused.is_some(), "no connection was ever reused");
}

#[test]
fn a8_a_connection_that_was_closed_while_idle_costs_no_retry() {
    let idle = Duration::from_millis(10);
    let script = || Script::new().step(Step::ok("").then_after(idle, End::Close)).then(Step::ok(""));
    everywhere(HTTP1, script, |server, client, way| {
        let network = client.sandbox("box").network();
        way.finish(network.fetch(3000, "/").with_history()).unwrap();
        server.wait_for_closed().wait().unwrap();
        let (_, history) = way.finish(network.fetch(3000, "/").post().with_history()).unwrap();
        assert_eq!((history.len(), server.arrivals_of("POST").len()), (1, 1), "{way:?}");
    });
}

#[test]
fn a12_an_early_answer_wins_over_the_upload_that_it_cuts() {
    let server = FaultServer::start(Script::from(Step::status(413).early().connection_close())).unwrap();
    let upload = vec![b'x'; 8 * 1024 * 1024];
    let page = client(&server).sandbox("box").network().fetch(3000, "/").post().body(upload).wait().unwrap();
    assert_eq!((page.status().as_u16(), page.history().len()), (413, 1));
    assert_eq!(server.arrivals_of("POST").len(), 1);
}

#[test]
fn a13_heads_that_only_inform_are_passed_over() {
    let script = || Script::from(Step::ok("final").informational(102).informational(103).informational(103));
    everywhere(HTTP1, script, |_, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/");
        let (page, history) = way.finish(fetch.with_history()).unwrap();
        assert_eq!((page.text().as_ref(), history.to_string().as_str()), ("final", "200"));
    });
}

#[test]
fn a13_a_space_behind_the_name_of_a_header_is_none() {
    let head = "HTTP/1.1 200 OK\r\nX-Apart : c\r\ncontent-length : 5\r\n\r\nfinal";
    let script = || Script::from(Step::garbage(head));
    everywhere(HTTP1, script, |_, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").post();
        let (page, _) = way.finish(fetch.with_history()).unwrap();
        let apart = page.headers().get("x-apart").map(http::HeaderValue::as_bytes);
        assert_eq!((page.text().as_ref(), apart), ("final", Some(&b"c"[..])));
    });
}
