//! `Expect: 100-continue` from end to end: a body is asked for when the platform asks for it.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use reveille::HttpVersion;
use reveille_faults::{FaultServer, Step};
use reveille_relay::Relay;

use crate::place::{BOX, PATIENCE, connect, plain, relay, runtime};

/// A platform with one connection, which a test plays.
fn platform(play: impl FnOnce(TcpStream, String) + Send + 'static) -> (Relay, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let playing = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = head(&mut stream);
        play(stream, head);
    });
    (relay(plain(&url)), playing)
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

/// A client that waits until it is asked.
fn waiting(relay: &Relay, framing: &str) -> TcpStream {
    let mut stream = connect(relay);
    let request = "HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-Continue";
    write!(stream, "POST {BOX}/port/1/ {request}\r\n{framing}\r\n\r\n").unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}

const ASK: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";

#[test]
fn a_body_is_asked_for_when_the_platform_asks_and_not_before() {
    for (framing, sent, arrives) in [
        ("content-length: 5", "hello", "hello"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let (ask, asks): (Sender<()>, Receiver<()>) = channel();
        let (arrived, arrives_now) = channel();
        let (relay, playing) = platform(move |mut stream, head| {
            assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
            arrived.send(()).unwrap();
            asks.recv_timeout(PATIENCE).unwrap();
            stream.write_all(ASK).unwrap();
            let mut body = vec![0; arrives.len()];
            stream.read_exact(&mut body).unwrap();
            assert_eq!(body, arrives.as_bytes());
            stream.write_all(OK).unwrap();
        });
        let mut stream = waiting(&relay, framing);
        arrives_now.recv_timeout(PATIENCE).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let early = stream.read(&mut [0]).unwrap_err();
        assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        ask.send(()).unwrap();
        assert_eq!(head(&mut stream), "http/1.1 100 continue\r\n\r\n");
        stream.write_all(sent.as_bytes()).unwrap();
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ndone"), "{answer}");
        playing.join().unwrap();
    }
}

#[test]
fn a_request_that_is_refused_before_its_body_is_answered_whole_and_asked_for_nothing() {
    for framing in ["content-length: 5", "content-length: 99999999999", "transfer-encoding: chunked"] {
        let (relay, playing) = platform(|mut stream, _| {
            let body = "x".repeat(300_000);
            let head = format!("HTTP/1.1 413 Too Large\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            // The connection cannot serve another request, and none of the body comes.
            let mut more = Vec::new();
            let _ = stream.read_to_end(&mut more);
            assert!(more.is_empty(), "{more:?}");
        });
        let answer = rest(waiting(&relay, framing));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{}", &answer[..200]);
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), 300_000);
        playing.join().unwrap();
    }
}

#[test]
fn a_refusal_without_a_body_ends_it_too() {
    let (relay, playing) = platform(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0);
    });
    assert!(rest(waiting(&relay, "content-length: 5")).starts_with("HTTP/1.1 401 "));
    playing.join().unwrap();
}

#[test]
fn a_client_that_leaves_before_it_is_asked_ends_its_request() {
    let (arrived, arrives) = channel();
    let (relay, playing) = platform(move |mut stream, _| {
        arrived.send(()).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0);
    });
    let stream = waiting(&relay, "content-length: 5");
    arrives.recv_timeout(PATIENCE).unwrap();
    drop(stream);
    playing.join().unwrap();
}

#[test]
fn a_platform_that_asks_for_nothing_gets_the_body_all_the_same() {
    let (relay, playing) = platform(|mut stream, _| {
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(OK).unwrap();
    });
    let mut stream = waiting(&relay, "content-length: 5");
    assert_eq!(head(&mut stream), "http/1.1 100 continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200 OK\r\n"));
    playing.join().unwrap();
}

#[test]
fn a_client_over_http2_is_asked_when_the_platform_asks_and_not_before() {
    let (ask, asks): (Sender<()>, Receiver<()>) = channel();
    let (relay, playing) = platform(move |mut stream, head| {
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        asks.recv_timeout(PATIENCE).unwrap();
        stream.write_all(ASK).unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"hello");
        stream.write_all(OK).unwrap();
    });
    let asking = async {
        let stream = tokio::net::TcpStream::connect(relay.address()).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("http://h{BOX}/port/1/"));
        let request =
            request.header("expect", "100-continue").header("content-length", "5").body(()).unwrap();
        let (mut answer, mut body) = client.ready().await.unwrap().send_request(request, false).unwrap();
        let early = poll_fn(|cx| answer.poll_informational(cx));
        assert!(tokio::time::timeout(Duration::from_millis(200), early).await.is_err(), "nobody has asked");
        ask.send(()).unwrap();
        let asked = poll_fn(|cx| answer.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!(asked.status(), 100);
        body.send_data(bytes::Bytes::from_static(b"hello"), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    };
    runtime().block_on(async { tokio::time::timeout(PATIENCE, asking).await }).unwrap();
    playing.join().unwrap();
}

#[test]
fn a_platform_over_http2_that_asks_for_nothing_gets_the_body_all_the_same() {
    let platform = FaultServer::start(Step::ok("done")).unwrap();
    let relay = relay(plain(&platform.url()).http_version(HttpVersion::Http2));
    let mut stream = waiting(&relay, "content-length: 5");
    assert_eq!(head(&mut stream), "http/1.1 100 continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200 OK\r\n"));
    let arrival = platform.arrivals().remove(0);
    assert_eq!((arrival.body.length, arrival.header("expect")), (5, Some("100-continue")));
}
