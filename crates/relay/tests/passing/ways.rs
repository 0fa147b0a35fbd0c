//! Requests that are read whole and those that an HTTP library reads pass alike, on one connection in any order.

use std::io::{Read, Write};
use std::time::Duration;

use reveille_faults::{Arrival, FaultServer, Framing, Moment, Script, Step};
use reveille_relay::Relay;

use crate::place::{BOX, PATIENCE, plain, relay, runtime};
use crate::raw::{Raw, asked};

/// What the platform got, but for the name of the relay.
fn got(arrivals: &[Arrival]) -> Vec<String> {
    let told = |arrival: &Arrival| {
        let via = |name: &str| name.eq_ignore_ascii_case("via");
        let mut headers: Vec<String> = arrival
            .headers
            .iter()
            .map(|(name, value)| {
                let value = if via(name) { "relay".into() } else { String::from_utf8_lossy(value) };
                format!("{}: {value}", name.to_ascii_lowercase())
            })
            .collect();
        headers.sort_unstable();
        format!("{} {} {headers:?} {:?}", arrival.method, arrival.target, arrival.body)
    };
    arrivals.iter().map(told).collect()
}

/// What is answered to these bytes, what the platform gets of them, and whether the connection carries another request
/// then.
fn passed(raw: &mut Raw, platform: &FaultServer, bytes: &[u8]) -> (String, Vec<String>, bool) {
    let before = platform.arrivals().len();
    raw.say(bytes);
    let method = if bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    let answer = raw.answer(method);
    let got = got(&platform.arrivals()[before..]);
    raw.say(asked("GET", "/next", ""));
    let stays = raw.answer("GET").starts_with("HTTP/1.1 200");
    (answer, got, stays)
}

fn is_the_same(relay: &Relay, platform: &FaultServer, bytes: &[u8]) -> (String, Vec<String>, bool) {
    let whole = passed(&mut Raw::to(relay), platform, bytes);
    let by_library = passed(&mut Raw::by_library(relay), platform, bytes);
    assert_eq!(whole, by_library, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
    whole
}

#[test]
fn whatever_is_asked_passes_alike() {
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let relay = relay(plain(&platform.url()));
    let heads = [
        "",
        "accept: */*\r\n",
        "X-A: 1\r\nx-a: 2\r\n",
        "X-Empty:\r\n",
        "X-Space: \t a b \t\r\n",
        "X-Bytes: \u{fc}\r\n",
        "cookie: a=1\r\ncookie: b=2\r\n",
        "content-length: 0\r\n",
        "Connection: Keep-Alive\r\n",
        "connection: keep-alive, x-mine\r\nx-mine: 1\r\n",
        "connection: close\r\n",
        "connection: \r\n",
        "keep-alive: timeout=5\r\nproxy-connection: x\r\n",
        "proxy-authorization: x\r\n",
        "via: 1.0 somebody, 1.1 else (a comment)\r\n",
        "te: trailers\r\n",
        "te: gzip\r\n",
        "trailer: x\r\n",
        "expect: nothing\r\n",
        "range: bytes=0-1\r\n",
        "host: other\r\n",
        "x\r\n",
        "x y: z\r\n",
        "é: z\r\n",
        ": z\r\n",
        "content-length: 00\r\n",
        "content-length: a\r\n",
        "content-length: 1, 1\r\n",
        "upgrade: h2c\r\n",
        "x: a\r\n b\r\n",
        "x: a\u{7}b\r\n",
        "x: a\rb\r\n",
        "x: a\nb: c\r\n",
        "x: \0\r\n",
    ];
    for head in heads {
        for (method, body) in
            [("GET", ""), ("HEAD", ""), ("DELETE", ""), ("get", ""), ("M-SEARCH", ""), ("POST", "12")]
        {
            let length =
                if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let bytes = asked(method, "/port/1/x", &format!("{head}{length}")) + body;
            is_the_same(&relay, &platform, bytes.as_bytes());
        }
    }
    for path in ["", "?q", "/a%20b/../c?d=%zz&e=//", "/..%2f..", "/x#y", "/\u{fc}", "/a b", "/\"<>", "/x\ty"]
    {
        is_the_same(&relay, &platform, asked("GET", path, "").as_bytes());
    }
    for line in [
        "GET / HTTP/1.0",
        "GET http://h/a HTTP/1.1",
        "GET /v0/sandboxes?a=b HTTP/1.1",
        "GET /v01 HTTP/1.1",
        "GET /v0 HTTP/1.1",
        "GET // HTTP/1.1",
        "GET / HTTP/1.2",
        "GET  / HTTP/1.1",
        "GET /",
    ] {
        is_the_same(&relay, &platform, format!("{line}\r\nhost: h\r\n\r\n").as_bytes());
    }
}

#[test]
fn no_request_is_hidden_in_another() {
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let relay = relay(plain(&platform.url()));
    let hidden = asked("GET", "/hidden", "");
    let length = hidden.len();
    for head in [
        format!("content-length: 0\r\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\r\ncontent-length: 0\r\n"),
        "content-length: 0\r\ntransfer-encoding: chunked\r\n".to_owned(),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("transfer-encoding : chunked\r\ncontent-length: {length}\r\n"),
        format!("transfer-encoding: xchunked\r\ncontent-length: {length}\r\n"),
        format!("x: y\r\n transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("x: y\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\nx: y\r\n"),
        format!("content-length: +{length}\r\n"),
        format!("content-length: 0x{length:x}\r\n"),
        format!("content-length: {length} \r\n"),
        "content-length: 18446744073709551616\r\n".to_owned(),
    ] {
        let bytes = asked("POST", "/x", &head) + &hidden;
        let mut seen = Vec::new();
        for mut raw in [Raw::to(&relay), Raw::by_library(&relay)] {
            let before = platform.arrivals().len();
            // If not before, the connection ends with what comes behind both.
            raw.say(format!("{bytes}{}", asked("GET", "/end", "connection: close\r\n")));
            let mut all = Vec::new();
            // A reset is an end, too.
            let _ = raw.0.read_to_end(&mut all);
            let targets: Vec<String> =
                platform.arrivals()[before..].iter().map(|arrival| arrival.target.clone()).collect();
            let answers = String::from_utf8_lossy(&all).matches("HTTP/1.1 ").count();
            seen.push((targets, answers));
        }
        assert_eq!(seen[0].0, seen[1].0, "{head:?}");
        assert!(
            seen[0].0.len() <= seen[0].1,
            "nothing reaches the platform that is not answered: {head:?} {seen:?}"
        );
    }
}

#[test]
fn whatever_is_answered_passes_alike() {
    let answers = [
        ("/204", Step::status(204)),
        ("/304", Step::status(304).header("etag", "\"x\"")),
        ("/length", Step::ok("a body of some length")),
        ("/chunks", Step::ok("in pieces").framing(Framing::Chunked)),
        ("/end", Step::ok("until it closes").framing(Framing::UntilClose)),
        ("/empty", Step::ok("")),
        ("/large", Step::ok("l".repeat(300_000))),
        ("/pieces", Step::ok("p".repeat(300_000)).framing(Framing::Chunked)),
        (
            "/many",
            Step::ok("x").header("set-cookie", "a=1").header("set-cookie", "b=2").header("x-bytes", "\u{fc}"),
        ),
        ("/reason", Step::status(404).reason("Nowhere To Be Seen").body("gone")),
        (
            "/hop",
            Step::ok("x")
                .header("connection", "x-near")
                .header("x-near", "1")
                .header("keep-alive", "timeout=1"),
        ),
        ("/closes", Step::ok("x").connection_close()),
    ];
    let script = answers.iter().fold(Script::new(), |script, (path, step)| {
        ["GET", "HEAD", "POST"]
            .iter()
            .fold(script, |script, method| script.on(method, &format!("{BOX}{path}"), step.clone()))
    });
    let platform = FaultServer::start(script.then(Step::ok("here"))).unwrap();
    let relay = relay(plain(&platform.url()));
    for (path, _) in &answers {
        for method in ["GET", "HEAD", "POST"] {
            let (answer, _, stays) = is_the_same(&relay, &platform, asked(method, path, "").as_bytes());
            assert!(stays, "{method} {path}: {answer:.200}");
        }
    }
}

#[test]
fn what_an_answer_without_a_body_says_of_its_length_passes() {
    let script = Script::new().on("HEAD", BOX, Step::ok("x".repeat(1_234)));
    let platform =
        FaultServer::start(script.then(Step::status(304).header("content-length", "1234"))).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut raw = Raw::to(&relay);
    for method in ["HEAD", "GET", "HEAD"] {
        raw.say(asked(method, "/x", ""));
        let answer = raw.answer(method);
        assert!(answer.contains("\ncontent-length: 1234\n") && answer.ends_with("\n\n"), "{answer}");
    }
}

#[test]
fn a_status_without_a_name_passes_without_one() {
    let platform = FaultServer::start(Step::status(999).body("what")).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut raw = Raw::to(&relay);
    raw.say(asked("GET", "/x", ""));
    assert_eq!(raw.answer("GET"), "HTTP/1.1 999\ncontent-length: 4\nreveille-attempts: 999\n\nwhat");
}

#[test]
fn wherever_requests_are_cut_they_are_the_same() {
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let relay = relay(plain(&platform.url()));
    let requests = asked("POST", "/a", "content-length: 3\r\n")
        + "abc"
        + asked("POST", "/b", "").trim_end_matches("\r\n")
        + "\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
        + &asked("GET", "/c", "");
    for cut in 1..requests.len() {
        let mut raw = Raw::to(&relay);
        let before = platform.arrivals().len();
        let (first, second) = requests.split_at(cut);
        raw.say(first);
        std::thread::yield_now();
        raw.say(second);
        for _ in 0..3 {
            assert!(raw.answer("GET").ends_with("\n\nhere"), "cut at {cut}");
        }
        let arrivals = platform.arrivals();
        let got: Vec<_> = arrivals[before..]
            .iter()
            .map(|arrival| (arrival.target.rsplit('/').next().unwrap(), arrival.body.length))
            .collect();
        assert_eq!(got, [("a", 3), ("b", 2), ("c", 0)], "cut at {cut}");
    }
}

#[test]
fn bodies_of_every_length_around_the_largest_that_is_held_arrive_whole() {
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut raw = Raw::to(&relay);
    for length in [1, 16 * 1024, 65_535, 65_536, 65_537, 100_000_000] {
        let before = platform.arrivals().len();
        raw.say(asked("POST", "/x", &format!("content-length: {length}\r\n")));
        raw.say(vec![b'x'; length]);
        assert!(raw.answer("POST").ends_with("here"), "{length}");
        assert_eq!(platform.arrivals()[before].body.length, length as u64);
    }
}

#[test]
fn a_relay_that_stops_ends_connections_behind_the_answer_that_is_under_way() {
    let script =
        Script::new().on("GET", &format!("{BOX}/late"), Step::ok("late").delay(Duration::from_secs(2)));
    let platform = FaultServer::start(script.then(Step::ok("here"))).unwrap();
    let relay = relay(plain(&platform.url()));
    let (mut idle, mut busy) = (Raw::to(&relay), Raw::to(&relay));
    for raw in [&mut idle, &mut busy] {
        raw.say(asked("GET", "/x", ""));
        raw.answer("GET");
    }
    busy.say(asked("GET", "/late", ""));
    platform.wait_for_arrivals(3).wait().unwrap();
    runtime().block_on(async { tokio::time::timeout(PATIENCE, relay.stop()).await.unwrap() });
    assert!(idle.is_over(), "nothing is under way on it");
    let answer = busy.answer("GET");
    assert!(answer.contains("\nconnection: close\n") && answer.ends_with("\n\nlate"), "{answer}");
    assert!(busy.is_over());
}

#[test]
fn what_a_client_sends_ahead_is_answered_in_order_and_nothing_of_it_is_lost() {
    const MANY: usize = 2_000;
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut raw = Raw::to(&relay);
    let mut writing = raw.0.get_ref().try_clone().unwrap();
    let requests: String = (0..MANY).map(|number| asked("GET", &format!("/{number}"), "")).collect();
    let saying = std::thread::spawn(move || writing.write_all(requests.as_bytes()).unwrap());
    for _ in 0..MANY {
        assert!(raw.answer("GET").ends_with("here"));
    }
    saying.join().unwrap();
    let arrivals = platform.arrivals();
    let in_order =
        arrivals.iter().enumerate().all(|(number, arrival)| arrival.target.ends_with(&format!("/{number}")));
    assert!(in_order && arrivals.len() == MANY);
}

#[test]
fn a_client_that_leaves_while_its_request_is_under_way_ends_it_in_both_ways() {
    let script = Script::new().on("GET", &format!("{BOX}/hang"), Step::hang(Moment::AfterRequest));
    let platform = FaultServer::start(script.then(Step::ok("here"))).unwrap();
    let relay = relay(plain(&platform.url()));
    // The library does not notice while it has something to read; by ourselves it is noticed in any case.
    let ways = [(Raw::by_library(&relay), ""), (Raw::to(&relay), ""), (Raw::to(&relay), "/never")];
    for (number, (mut raw, behind)) in ways.into_iter().enumerate() {
        let arrived = platform.arrivals().len() as u64;
        raw.say(asked("GET", "/hang", ""));
        if !behind.is_empty() {
            raw.say(asked("GET", behind, ""));
        }
        platform.wait_for_arrivals(arrived + 1).wait().unwrap();
        drop(raw);
        platform.wait_for_cancelled(number as u64 + 1).wait().unwrap();
    }
    assert!(platform.arrivals().iter().all(|arrival| !arrival.target.ends_with("/never")));
}
