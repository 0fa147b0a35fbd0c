//! Who leaves, and how the relay itself ends.

use std::io::{Read, Write};
use std::time::Duration;

use reveille_faults::{End, FaultServer, Moment, Script, Step};
use reveille_relay::Seen;

use crate::place::{Answer, BOX, PATIENCE, ask_with, connect, plain, relay, runtime, settings, start};

#[test]
fn a_caller_that_leaves_ends_its_request() {
    let platform = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let relay = relay(plain(&platform.url()));
    for method in ["GET", "POST"] {
        let before = platform.counts().cancelled;
        let arrived = platform.arrivals().len() as u64 + 1;
        let mut stream = connect(&relay);
        write!(stream, "{method} {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        platform.wait_for_arrivals(arrived).wait().unwrap();
        drop(stream);
        platform.wait_for_cancelled(before + 1).wait().unwrap();
    }
}

#[test]
fn a_caller_that_leaves_in_the_middle_of_an_answer_ends_it() {
    let platform = FaultServer::start(Step::ok(reveille_faults::Body::endless("x"))).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut stream = connect(&relay);
    write!(stream, "GET {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 100_000]).unwrap();
    drop(stream);
    platform.wait_for_cancelled(1).wait().unwrap();
}

#[test]
fn a_caller_that_leaves_while_its_read_is_waiting_has_it_sent_no_more() {
    let platform = FaultServer::start(Step::status(503).header("retry-after", "30")).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut passages = relay.passages();
    let mut stream = connect(&relay);
    write!(stream, "GET {BOX}/health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    platform.wait_for_arrivals(1).wait().unwrap();
    drop(stream);
    let Some(Seen::Passage(passage)) = runtime().block_on(passages.next()) else {
        panic!("nothing was told")
    };
    assert_eq!((passage.status, passage.path.as_str()), (None, "/acme/sandboxes/box/health"));
    assert!(passage.took < Duration::from_secs(30), "{passage:?}");
    assert_eq!(platform.arrivals().len(), 1);
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_its_caller_too() {
    let cut = Step::ok(vec![b'x'; 200_000]).cut_body(150_000, End::Close);
    let platform = FaultServer::start(Script::new().then(cut)).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut stream = connect(&relay);
    write!(stream, "GET {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut all = Vec::new();
    // Closed or reset: either way it is shorter than its length.
    let _ = stream.read_to_end(&mut all);
    let answer = Answer::of(&all);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("200000")));
    assert!(answer.body.len() < 200_000);
}

#[test]
fn it_stops_when_what_is_under_way_has_ended_and_takes_nothing_new() {
    let platform = FaultServer::start(Step::ok("late").delay(Duration::from_millis(300))).unwrap();
    let relay = relay(plain(&platform.url()));
    let address = relay.address();
    let mut stream = connect(&relay);
    write!(stream, "GET {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    platform.wait_for_arrivals(1).wait().unwrap();
    runtime().block_on(async { tokio::time::timeout(PATIENCE, relay.stop()).await.unwrap() });
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(Answer::of(&all).text(), "late");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn what_does_not_end_by_itself_is_cut_when_the_time_to_drain_is_over() {
    let platform = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let mut settings = settings(plain(&platform.url()));
    settings.drain = Duration::from_millis(10);
    let relay = start(settings);
    let mut stream = connect(&relay);
    write!(stream, "GET {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    platform.wait_for_arrivals(1).wait().unwrap();
    runtime().block_on(async { tokio::time::timeout(PATIENCE, relay.stop()).await.unwrap() });
    platform.wait_for_cancelled(1).wait().unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or_default(), 0);
}

#[test]
fn every_passage_is_told_when_it_is_over() {
    let platform = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok("four"))).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut passages = relay.passages();
    let mut told = Vec::new();
    // One after the other: whoever is answered may ask again before it is told that this is over.
    for (method, path, body) in [
        ("GET", "/acme/sandboxes/box/port/1/a?secret=1", ""),
        ("POST", "/acme/sandboxes/box/port/1/b", "seven77"),
        ("GET", "/v0/sandboxes", ""),
    ] {
        ask_with(&relay, method, path, "", body);
        let Some(Seen::Passage(passage)) = runtime().block_on(passages.next()) else {
            panic!("nothing was told")
        };
        let status = passage.status.map(|status| status.as_u16());
        let attempts = passage.attempts.split(';').next().unwrap().to_owned();
        told.push((passage.path, status, attempts, passage.sent, passage.received));
    }
    let passage = |path: &str, attempts: &str, sent, received| {
        (path.to_owned(), Some(200), attempts.to_owned(), sent, received)
    };
    assert_eq!(
        told,
        [
            passage("/acme/sandboxes/box/port/1/a", "503, 200", 0, 4),
            passage("/acme/sandboxes/box/port/1/b", "200", 7, 4),
            passage("/v0/sandboxes", "200", 0, 4),
        ]
    );
    runtime().block_on(async {
        relay.stop().await;
        assert!(passages.next().await.is_none(), "it has stopped");
    });
}
