//! Ends over HTTP/1.1, at every moment at which one can come.

use std::io::Write;
use std::time::Duration;

use crate::client::{Fate, GET, POST, connect, exchange, expect, is_silent, rest, sent};
use reveille_faults::{BodyState, End, FaultServer, Framing, Moment, Script, Step};

#[test]
fn a_reset_before_the_request_reads_nothing_and_records_nothing() {
    let server = FaultServer::start(Step::reset(Moment::BeforeRequest)).unwrap();
    assert_eq!(rest(&mut connect(&server)), (Vec::new(), Fate::Reset));
    assert_eq!(server.counts().connections, 1);
    assert_eq!(server.counts().arrivals, 0);
}

#[test]
fn a_reset_before_the_request_on_an_open_connection_comes_with_the_request() {
    let script = Script::new().step(Step::ok("hello")).step(Step::reset(Moment::BeforeRequest));
    let server = FaultServer::start(script).unwrap();
    let mut stream = sent(&server, GET);
    expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert!(is_silent(&mut stream));
    stream.write_all(GET).unwrap();
    assert_eq!(rest(&mut stream).1, Fate::Reset);
    assert_eq!(server.counts().arrivals, 2);
}

#[test]
fn a_reset_after_the_head_leaves_the_body_unread() {
    let server = FaultServer::start(Step::reset(Moment::AfterHead)).unwrap();
    assert_eq!(exchange(&server, POST), (String::new(), Fate::Reset));
    assert_eq!(server.arrivals()[0].body.state, BodyState::Partial);
}

#[test]
fn a_reset_after_the_request_is_seen_as_connection_reset_and_the_body_has_arrived() {
    let server = FaultServer::start(Step::reset(Moment::AfterRequest)).unwrap();
    assert_eq!(exchange(&server, POST), (String::new(), Fate::Reset));
    let arrival = &server.arrivals()[0];
    assert_eq!(arrival.body.state, BodyState::Complete);
    assert_eq!(arrival.body.length, 5);
    assert!(!arrival.cancelled);
}

#[test]
fn a_close_is_an_end_and_not_a_reset_at_every_moment() {
    for moment in [Moment::BeforeRequest, Moment::AfterHead, Moment::AfterRequest] {
        let server = FaultServer::start(Step::close(moment)).unwrap();
        assert_eq!(rest(&mut sent(&server, POST)), (Vec::new(), Fate::Closed), "{moment}");
    }
}

#[test]
fn a_hang_says_nothing_and_notices_when_the_client_gives_up() {
    for moment in [Moment::AfterHead, Moment::AfterRequest] {
        let server = FaultServer::start(Step::hang(moment)).unwrap();
        let mut stream = sent(&server, POST);
        server.wait_for_arrivals(1).wait().unwrap();
        assert!(is_silent(&mut stream));
        assert_eq!(server.counts().open, 1);
        drop(stream);
        server.wait_for_cancelled(1).wait().unwrap();
        server.wait_for_closed().wait().unwrap();
        assert!(server.arrivals()[0].cancelled);
    }
}

#[test]
fn a_server_that_is_dropped_ends_its_hanging_connections() {
    let server = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let mut stream = sent(&server, GET);
    server.wait_for_arrivals(1).wait().unwrap();
    drop(server);
    assert_eq!(rest(&mut stream), (Vec::new(), Fate::Closed));
}

#[test]
fn a_head_can_be_cut_by_a_close_and_by_a_reset() {
    for (end, fate) in [(End::Close, Fate::Closed), (End::Reset, Fate::Reset)] {
        let server = FaultServer::start(Step::ok("hello").cut_head(24, end)).unwrap();
        assert_eq!(exchange(&server, GET), ("HTTP/1.1 200 OK\r\ncontent".to_owned(), fate));
    }
}

#[test]
fn a_body_can_be_cut_at_any_byte() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    for (bytes, body) in [(0, ""), (1, "h"), (4, "hell"), (5, "hello"), (9, "hello")] {
        for (end, fate) in [(End::Close, Fate::Closed), (End::Reset, Fate::Reset)] {
            let server = FaultServer::start(Step::ok("hello").cut_body(bytes, end)).unwrap();
            assert_eq!(exchange(&server, GET), (format!("{head}{body}"), fate));
        }
    }
}

#[test]
fn a_chunked_body_can_end_without_its_last_chunk() {
    let answer = Step::ok("hello").framing(Framing::Chunked).cut_body(5, End::Close);
    let server = FaultServer::start(answer).unwrap();
    let (read, fate) = exchange(&server, GET);
    assert_eq!(read, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_eq!(fate, Fate::Closed);
}

#[test]
fn a_body_can_stall_in_the_middle() {
    let server = FaultServer::start(Step::ok("hello").cut_body(2, End::Hang)).unwrap();
    let mut stream = sent(&server, GET);
    expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe");
    assert!(is_silent(&mut stream));
}

#[test]
fn garbage_comes_as_it_is() {
    let server = FaultServer::start(Step::garbage(&b"\x15\x03\x01\x00\x02\x02\x28"[..])).unwrap();
    let (read, fate) = rest(&mut sent(&server, GET));
    assert_eq!((read.as_slice(), fate), (&b"\x15\x03\x01\x00\x02\x02\x28"[..], Fate::Closed));
}

#[test]
fn garbage_can_come_before_anything_was_sent() {
    let step = Step::garbage_at(Moment::BeforeRequest, "SSH-2.0-OpenSSH\r\n", End::Reset);
    let server = FaultServer::start(step).unwrap();
    assert_eq!(rest(&mut connect(&server)), (b"SSH-2.0-OpenSSH\r\n".to_vec(), Fate::Reset));
}

#[test]
fn an_unannounced_close_follows_a_good_answer() {
    let server = FaultServer::start(Step::ok("hello").then(End::Close)).unwrap();
    let (read, fate) = exchange(&server, GET);
    assert_eq!((read.as_str(), fate), ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", Fate::Closed));
}

#[test]
fn an_idle_connection_is_closed_only_if_it_stays_idle() {
    let closing_after = |idle| Step::ok("hello").then_after(idle, End::Close);
    let (long, short) = (Duration::from_secs(3600), Duration::from_millis(10));
    let script = Script::new().step(closing_after(long)).step(closing_after(short));
    let server = FaultServer::start(script).unwrap();
    let mut stream = connect(&server);
    for _ in 0..2 {
        stream.write_all(GET).unwrap();
        expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    }
    assert_eq!(rest(&mut stream), (Vec::new(), Fate::Closed));
    assert_eq!(server.counts().connections, 1);
}

#[test]
fn an_early_answer_comes_while_the_upload_goes_on() {
    for end in [End::Close, End::Reset] {
        let answer = Step::status(413).early().header("connection", "close").then(end);
        let server = FaultServer::start(answer).unwrap();
        let head = b"PUT / HTTP/1.1\r\nhost: box\r\ncontent-length: 100000000\r\n\r\n";
        let mut stream = sent(&server, head);
        expect(
            &mut stream,
            "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
        assert_eq!(rest(&mut stream).1, if end == End::Reset { Fate::Reset } else { Fate::Closed });
        assert_eq!(server.arrivals()[0].body.state, BodyState::Partial);
    }
}

#[test]
fn an_early_answer_on_a_connection_that_lives_on_takes_the_body_afterwards() {
    let script = Script::new().step(Step::status(503).early()).then(Step::status(204));
    let server = FaultServer::start(script).unwrap();
    let mut stream = sent(&server, b"PUT / HTTP/1.1\r\nhost: box\r\ncontent-length: 5\r\n\r\nhe");
    expect(&mut stream, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(b"llo").unwrap();
    stream.write_all(GET).unwrap();
    expect(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(server.arrivals()[0].body.length, 5);
}

#[test]
fn what_has_no_meaning_without_streams_becomes_an_end_of_the_connection() {
    let server = FaultServer::start(Step::reset_stream(reveille_faults::Code::REFUSED_STREAM)).unwrap();
    assert_eq!(exchange(&server, GET), (String::new(), Fate::Reset));
    let server = FaultServer::start(Step::goaway(reveille_faults::GoAway::not_covering())).unwrap();
    assert_eq!(exchange(&server, GET), (String::new(), Fate::Closed));
}
