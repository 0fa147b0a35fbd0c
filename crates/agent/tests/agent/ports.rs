//! The way to servers inside the sandbox.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::asking::PATIENCE;
use crate::http::{self, Request};
use crate::running::Running;

/// A server that does `serve` with its first connection, after the head of the request was read.
fn server(serve: impl FnOnce(String, BufReader<TcpStream>) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut from = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(from.read_line(&mut head).unwrap() > 0, "the head breaks off: {head:?}");
        }
        serve(head, from);
    });
    port
}

fn get(agent: &Running, target: &str, headers: &[(&str, &str)]) -> http::Response {
    let stream = http::connect(&agent.host, PATIENCE).unwrap();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    http::send(&stream, &agent.host, &Request { method: "GET", target, headers, body: None }).unwrap()
}

#[test]
fn a_request_arrives_as_it_was_sent_but_for_what_is_meant_for_one_hop() {
    let agent = Running::start(&[]);
    let port = server(|head, from| {
        let body = head.as_bytes();
        let mut stream = from.into_inner();
        let answer = "HTTP/1.1 203 Odd\r\nX-App: yes\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n";
        stream.write_all(format!("{answer}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
        stream.write_all(body).unwrap();
    });
    let headers =
        [("X-Mine", "1"), ("Connection", "keep-alive, x-near"), ("X-Near", "2"), ("TE", "trailers")];
    let mut response = get(&agent, &format!("/port/{port}//a%2Fb/./c?q=%20&r"), &headers);
    assert_eq!(
        (response.status, response.header("x-app"), response.header("x-hop")),
        (203, Some("yes"), None)
    );
    assert_eq!(response.header("cache-control"), None, "the answer is the server's own");
    let head = String::from_utf8(response.read().unwrap()).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get //a%2fb/./c?q=%20&r http/1.1\r\n"), "{head}");
    assert!(head.contains("x-mine: 1\r\n") && head.contains(&format!("host: {}\r\n", agent.host)), "{head}");
    assert!(!head.contains("x-near"), "{head}");
    assert!(head.contains("te: trailers\r\n"), "what is promised for the whole way goes on: {head}");
}

#[test]
fn a_body_that_is_cut_behind_the_agent_is_cut_before_it() {
    let agent = Running::start(&[]);
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let port = server(move |_, from| {
            let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nhello\r\n");
            from.into_inner().write_all(head.as_bytes()).unwrap();
        });
        let mut response = get(&agent, &format!("/port/{port}/"), &[]);
        assert_eq!(response.status, 200);
        assert!(response.read().is_err(), "{framing}: the cut must be seen");
    }
}

#[test]
fn an_answer_passes_through_as_it_comes() {
    let agent = Running::start(&[]);
    let (go, gone) = std::sync::mpsc::channel();
    let port = server(move |_, from| {
        let mut stream = from.into_inner();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n").unwrap();
        // The second line is written only once the first was read at the far end.
        gone.recv().unwrap();
        stream.write_all(b"7\r\nsecond\n\r\n0\r\n\r\n").unwrap();
    });
    let mut response = get(&agent, &format!("/port/{port}/"), &[]);
    let mut line = String::new();
    response.body.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    go.send(()).unwrap();
    assert_eq!(response.read().unwrap(), b"second\n");
}

#[test]
fn a_connection_can_become_something_else() {
    let agent = Running::start(&[]);
    let port = server(|head, mut from| {
        assert!(head.to_ascii_lowercase().contains("upgrade: echo\r\n"), "{head}");
        let mut to = from.get_ref().try_clone().unwrap();
        to.write_all(b"HTTP/1.1 101 Over\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome\n").unwrap();
        let mut line = String::new();
        while from.read_line(&mut line).unwrap() > 0 {
            to.write_all(line.to_uppercase().as_bytes()).unwrap();
            line.clear();
        }
    });
    let stream = http::connect(&agent.host, PATIENCE).unwrap();
    let headers = [("Connection", "Upgrade"), ("Upgrade", "echo")];
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let request = Request { method: "GET", target: &format!("/port/{port}/ws"), headers, body: None };
    let mut response = http::send(&stream, &agent.host, &request).unwrap();
    assert_eq!((response.status, response.header("upgrade")), (101, Some("echo")));
    let mut said = String::new();
    response.body.read_line(&mut said).unwrap();
    (&stream).write_all(b"hello\n").unwrap();
    response.body.read_line(&mut said).unwrap();
    assert_eq!(said, "welcome\nHELLO\n");
}

#[test]
fn a_large_body_passes_both_ways_with_flat_memory() {
    const LARGE: u64 = 1 << 30;
    let agent = Running::start(&[]);
    let port = server(|_, mut from| {
        let mut to = from.get_ref().try_clone().unwrap();
        to.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes()).unwrap();
        std::io::copy(&mut from.by_ref().take(LARGE), &mut to).unwrap();
    });
    let stream = http::connect(&agent.host, PATIENCE).unwrap();
    let head = format!("POST /port/{port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n");
    (&stream).write_all(head.as_bytes()).unwrap();
    let writer = stream.try_clone().unwrap();
    thread::spawn(move || std::io::copy(&mut std::io::repeat(7).take(LARGE), &mut &writer).unwrap());
    let mut response = http::receive(&stream, "POST").unwrap();
    let read = std::io::copy(&mut response.body, &mut std::io::sink()).unwrap();
    assert_eq!(read, LARGE);
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 << 10, "the agent took {peak} KiB");
}

#[test]
fn where_nothing_answers_a_sentence_says_so() {
    let agent = Running::start(&[]);
    // As the end of a connection it is nobody else's, and nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let free = taken.local_addr().unwrap().port();
    for (target, status, code) in [
        (format!("/port/{free}/"), 502, "PORT_NOT_LISTENING"),
        ("/port/0/".to_owned(), 400, "BAD_REQUEST"),
        ("/port/65536/x".to_owned(), 400, "BAD_REQUEST"),
        ("/port/http/".to_owned(), 400, "BAD_REQUEST"),
        ("/port/+80/".to_owned(), 400, "BAD_REQUEST"),
        ("/port/080/".to_owned(), 400, "BAD_REQUEST"),
    ] {
        let mut response = get(&agent, &target, &[]);
        let body: serde_json::Value = serde_json::from_slice(&response.read().unwrap()).unwrap();
        assert_eq!(response.status, status, "{target}: {body}");
        assert_eq!(
            (response.header("x-blaxel-error-code"), &body["error"]["code"]),
            (Some(code), &code.into())
        );
        assert!(!body["error"]["message"].as_str().unwrap().is_empty(), "{target}: {body}");
        let proof = (status == 502).then_some("not_dispatched");
        assert_eq!(response.header("x-blaxel-dispatch-state"), proof, "{target}: {body}");
    }
    let port = server(|_, from| drop(from));
    assert_eq!(get(&agent, &format!("/port/{port}/"), &[]).status, 502);
}

#[test]
fn an_answer_arrives_although_the_server_reads_no_body_and_closes() {
    let agent = Running::start(&[]);
    for length in [2, 200_000, 5_000_000] {
        for _ in 0..20 {
            let port = server(|_, from| {
                let mut stream = from.into_inner();
                stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n").unwrap();
            });
            let answer = early(&agent, &format!("/port/{port}/"), length, "Connection: close\r\n");
            assert!(answer.starts_with("HTTP/1.1 413") && answer.ends_with("no\n"), "{length}: {answer}");
        }
    }
}

#[test]
fn an_answer_of_the_agents_own_arrives_although_it_reads_no_body() {
    let agent = Running::start(&[]);
    for length in [2, 200_000, 5_000_000] {
        for _ in 0..20 {
            let answer = early(&agent, "/no/such/endpoint", length, "");
            assert!(answer.starts_with("HTTP/1.1 404"), "{length}: {answer}");
            let close = answer.to_ascii_lowercase().contains("connection: close\r\n");
            assert!(close, "the next request on it would be lost: {answer}");
        }
    }
}

/// Sends a whole body before it reads anything, and gives all that is answered.
fn early(agent: &Running, target: &str, length: usize, headers: &str) -> String {
    let mut stream = TcpStream::connect(&agent.host).unwrap();
    let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // It may have been closed already; what it said is there all the same.
    let _closed = stream.write_all(&vec![b'x'; length]);
    let mut said = Vec::new();
    let _reset = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}
