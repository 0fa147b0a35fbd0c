//! Answers over HTTP/1.1: what the script says is what stands on the wire.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::client::{Fate, GET, HEAD, POST, connect, exchange, expect, rest, sent};
use reveille_faults::{Answer, Body, End, FaultServer, Framing, Script, Step, Steps};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[test]
fn a_script_without_steps_answers_an_empty_200_on_one_connection() {
    let server = FaultServer::start(Script::new()).unwrap();
    let mut stream = connect(&server);
    for _ in 0..3 {
        stream.write_all(GET).unwrap();
        expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
    assert_eq!(server.counts().connections, 1);
    assert_eq!(server.counts().arrivals, 3);
}

#[test]
fn steps_are_taken_in_the_order_of_arrival() {
    let script =
        Script::new().step(Step::status(503)).step(Step::status(502).times(2)).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut stream = connect(&server);
    for status in ["503 Service Unavailable", "502 Bad Gateway", "502 Bad Gateway"] {
        stream.write_all(GET).unwrap();
        expect(&mut stream, &format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"));
    }
    stream.write_all(GET).unwrap();
    expect(&mut stream, OK);
    let treatments: Vec<_> = server.arrivals().into_iter().map(|arrival| arrival.treatment).collect();
    assert_eq!(treatments, ["503", "502", "502", "200"]);
}

#[test]
fn the_last_step_or_all_of_them_can_repeat() {
    let steps = || Script::new().step(Step::status(503)).step(Step::status(502));
    for (script, expected) in [
        (steps().repeat_last(), ["503", "502", "502", "502"]),
        (steps().repeat_all(), ["503", "502", "503", "502"]),
    ] {
        let server = FaultServer::start(script).unwrap();
        let mut stream = connect(&server);
        stream.write_all(&GET.repeat(4)).unwrap();
        let arrivals = server.wait_for_arrivals(4).wait().unwrap();
        let treatments: Vec<_> = arrivals.iter().map(|arrival| arrival.treatment.as_str()).collect();
        assert_eq!(treatments, expected);
    }
}

#[test]
fn statuses_that_are_none_are_sent_as_they_are() {
    let script = Script::new()
        .step(Step::status(0).reason("Nothing"))
        .step(Answer::status_text("99"))
        .step(Step::status(999).reason("Odd"));
    let server = FaultServer::start(script).unwrap();
    let mut stream = connect(&server);
    for line in ["000 Nothing", "99 ", "999 Odd"] {
        stream.write_all(GET).unwrap();
        expect(&mut stream, &format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"));
    }
}

#[test]
fn headers_may_repeat_and_hold_any_bytes() {
    let answer =
        Step::status(200).header("Retry-After", "3").header("retry-after", b"\xff\x80").connection_close();
    let server = FaultServer::start(answer).unwrap();
    let (read, fate) = rest(&mut sent(&server, GET));
    let expected = b"HTTP/1.1 200 OK\r\nRetry-After: 3\r\nretry-after: \xff\x80\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(read, expected);
    assert_eq!(fate, Fate::Closed);
}

#[test]
fn framing_given_by_hand_is_not_touched() {
    let answer = Step::ok("hello").header("transfer-encoding", "gzip, banana").then(End::Close);
    let server = FaultServer::start(answer).unwrap();
    let (read, _) = exchange(&server, GET);
    assert_eq!(read, "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, banana\r\n\r\nhello");
}

#[test]
fn each_framing_makes_the_end_known_in_its_way() {
    let script = Script::new()
        .step(Step::ok("hello"))
        .step(Step::ok("hello").framing(Framing::Chunked))
        .step(Step::ok("hello").framing(Framing::UntilClose));
    let server = FaultServer::start(script).unwrap();
    let mut stream = connect(&server);
    stream.write_all(GET).unwrap();
    expect(&mut stream, OK);
    stream.write_all(GET).unwrap();
    expect(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    stream.write_all(GET).unwrap();
    expect(&mut stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
    assert_eq!(rest(&mut stream), (Vec::new(), Fate::Closed));
}

#[test]
fn a_head_request_gets_the_length_and_no_body_and_keeps_its_connection() {
    let server = FaultServer::start(Step::status(503).body("hello")).unwrap();
    let mut stream = connect(&server);
    for _ in 0..2 {
        stream.write_all(HEAD).unwrap();
        expect(&mut stream, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\n");
    }
}

#[test]
fn a_status_without_a_body_gets_none_and_a_length_only_if_asked_for() {
    let script = Script::new()
        .step(Step::status(204).body("hello"))
        .step(Step::status(304).body("hello").content_length(5))
        .then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut stream = connect(&server);
    stream.write_all(&GET.repeat(3)).unwrap();
    expect(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n");
    expect(&mut stream, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n");
    expect(&mut stream, OK);
}

#[test]
fn informational_heads_come_before_the_real_one() {
    let answer = Step::ok("hello").informational(102).informational_with(103, [("link", "</a>")]);
    let server = FaultServer::start(answer).unwrap();
    let mut stream = sent(&server, GET);
    expect(&mut stream, "HTTP/1.1 102 Processing\r\n\r\n");
    expect(&mut stream, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    expect(&mut stream, OK);
}

#[test]
fn a_length_that_promises_too_much_ends_in_a_close() {
    let server = FaultServer::start(Step::ok("hello").content_length(10)).unwrap();
    let (read, fate) = exchange(&server, GET);
    assert_eq!(read, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
    assert_eq!(fate, Fate::Closed);
}

#[test]
fn a_big_body_is_streamed_to_its_last_byte() {
    let server = FaultServer::start(Step::ok(Body::repeat("abc", 3_000_001)).connection_close()).unwrap();
    let (read, _) = rest(&mut sent(&server, GET));
    let start = read.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(read.len() - start, 3_000_001);
    assert!(read[start..].iter().zip(b"abc".iter().cycle()).all(|(one, other)| one == other));
}

#[test]
fn an_endless_body_goes_on_until_the_client_has_enough() {
    let server = FaultServer::start(Step::status(503).body(Body::endless("x"))).unwrap();
    let mut stream = sent(&server, GET);
    let mut read = vec![0; 8 * 1024 * 1024];
    stream.read_exact(&mut read).unwrap();
    drop(stream);
    let counts = server.wait_for_cancelled(1).wait().unwrap();
    assert_eq!(counts.cancelled, 1);
    server.wait_for_closed().wait().unwrap();
}

#[test]
fn delays_come_before_the_head_and_before_the_body() {
    let pause = Duration::from_millis(40);
    let server = FaultServer::start(Step::ok("hello").delay(pause).delay_body(pause)).unwrap();
    let began = Instant::now();
    let mut stream = sent(&server, GET);
    expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    assert!(began.elapsed() >= pause);
    expect(&mut stream, "hello");
    assert!(began.elapsed() >= 2 * pause);
}

#[test]
fn an_expected_100_continue_is_given_before_the_body_is_read() {
    let server = FaultServer::start(Step::ok("hello")).unwrap();
    let head = b"PUT / HTTP/1.1\r\nhost: box\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let mut stream = sent(&server, head);
    expect(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").unwrap();
    expect(&mut stream, OK);
}

#[test]
fn a_final_status_can_come_instead_of_a_100() {
    let server = FaultServer::start(Step::status(417).early().connection_close()).unwrap();
    let head = b"PUT / HTTP/1.1\r\nhost: box\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let (read, fate) = exchange(&server, head);
    assert!(read.starts_with("HTTP/1.1 417 Expectation Failed\r\n"), "{read}");
    assert_eq!(fate, Fate::Closed);
}

#[test]
fn a_window_answers_by_the_servers_clock() {
    let asleep = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let start = |window| {
        let script = Script::new().step(Step::status(503).lasting(window)).then(Step::ok("hello"));
        FaultServer::start(script).unwrap()
    };
    let long = start(Duration::from_secs(3600));
    let mut stream = connect(&long);
    stream.write_all(&GET.repeat(3)).unwrap();
    expect(&mut stream, &asleep.repeat(3));
    let window = Duration::from_millis(50);
    let short = start(window);
    let mut stream = connect(&short);
    stream.write_all(GET).unwrap();
    expect(&mut stream, asleep);
    std::thread::sleep(window);
    stream.write_all(GET).unwrap();
    expect(&mut stream, OK);
}

#[test]
fn a_route_has_steps_of_its_own() {
    let script = Script::new()
        .on("GET", "/status", Steps::new().step(Step::status(503)).then(Step::status(200)))
        .on("CONNECT", "example.com:443", Step::status(407))
        .on("*", "/orders", Step::status(409))
        .then(Step::status(404));
    let server = FaultServer::start(script).unwrap();
    let mut stream = connect(&server);
    for (request, status) in [
        (GET, "503 Service Unavailable"),
        (POST, "409 Conflict"),
        (GET, "200 OK"),
        (
            b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n",
            "407 Proxy Authentication Required",
        ),
        (b"GET /elsewhere HTTP/1.1\r\nhost: box\r\n\r\n", "404 Not Found"),
    ] {
        stream.write_all(request).unwrap();
        expect(&mut stream, &format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"));
    }
}

#[test]
fn a_request_that_is_none_is_refused_and_not_counted() {
    let server = FaultServer::start(Script::new()).unwrap();
    let (read, fate) = exchange(&server, b"\x16\x03\x01 nonsense\r\n\r\n");
    assert!(read.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{read}");
    assert_eq!(fate, Fate::Closed);
    assert_eq!(server.counts().arrivals, 0);
}
