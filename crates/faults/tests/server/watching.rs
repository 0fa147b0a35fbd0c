//! What the server tells about the requests that arrived.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::client::{GET, POST, connect, expect, is_silent, sent};
use crate::http2_client::Client;
use bytes::Bytes;
use h2::Reason;
use http::Method;
use reveille_faults::{
    BlackHole, BodyState, ErrorKind, FaultServer, Listen, Moment, Protocol, Refusing, Script, Step,
};

const OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const EMPTY_200: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn an_arrival_says_what_was_asked_and_what_was_sent() {
    let server = FaultServer::start(Script::new()).unwrap();
    let mut stream = sent(&server, POST);
    expect(&mut stream, EMPTY_200);
    stream.write_all(GET).unwrap();
    expect(&mut stream, EMPTY_200);
    drop(stream);
    expect(&mut sent(&server, GET), EMPTY_200);

    let arrivals = server.arrivals();
    let [post, get, other] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    assert_eq!((post.sequence, post.connection, post.protocol), (1, 1, Protocol::Http1));
    assert_eq!((post.method.as_str(), post.path(), post.query()), ("POST", "/orders", None));
    assert_eq!((get.path(), get.query(), get.header("Host")), ("/status", Some("x=1"), Some("box")));
    assert_eq!((get.sequence, get.connection, other.connection), (2, 1, 2));
    assert_eq!((post.body.length, post.body.sha256.as_str()), (5, OF_HELLO));
    assert_eq!(post.body.state, BodyState::Complete);
    assert!(post.at <= get.at);
    assert_eq!(server.arrivals_of("POST").len(), 1);
}

#[test]
fn a_chunked_upload_is_digested_like_any_other() {
    let server = FaultServer::start(Script::new()).unwrap();
    let head = b"PUT / HTTP/1.1\r\nhost: box\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = sent(&server, head);
    stream.write_all(b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nx-sum: 1\r\n\r\n").unwrap();
    expect(&mut stream, EMPTY_200);
    assert_eq!(server.arrivals()[0].body.sha256, OF_HELLO);
}

#[test]
fn an_upload_that_breaks_off_is_partial_and_cancelled() {
    let server = FaultServer::start(Script::new()).unwrap();
    let stream = sent(&server, b"PUT / HTTP/1.1\r\nhost: box\r\ncontent-length: 9\r\n\r\nhello");
    drop(stream);
    server.wait_for_cancelled(1).wait().unwrap();
    let arrival = &server.arrivals()[0];
    assert_eq!((arrival.body.state, arrival.body.length), (BodyState::Partial, 5));
    assert!(arrival.cancelled);
}

#[test]
fn open_connections_are_counted_until_they_are_closed() {
    let server = FaultServer::start(Script::new()).unwrap();
    let connections = [connect(&server), connect(&server)];
    let counts = server.wait_for_counts("two connections", |counts| counts.open == 2).wait().unwrap();
    assert_eq!(counts.connections, 2);
    drop(connections);
    assert_eq!(server.wait_for_closed().wait().unwrap().open, 0);
}

#[tokio::test]
async fn the_feed_gives_every_arrival_once_and_in_order() {
    let server = FaultServer::start(Script::new()).unwrap();
    let _stream = sent(&server, &GET.repeat(3));
    let mut feed = server.feed();
    for sequence in 1..=3 {
        assert_eq!(feed.next().await.sequence, sequence);
    }
    let fourth = tokio::time::timeout(Duration::from_millis(20), feed.next()).await;
    assert!(fourth.is_err());
}

#[test]
fn the_feed_tells_of_a_request_that_hangs_with_its_body_unread() {
    let server = FaultServer::start(Step::hang(Moment::AfterHead)).unwrap();
    let _stream = sent(&server, POST);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let arrival = runtime.block_on(server.feed().next());
    assert_eq!(arrival.treatment, "hang after the head");
    assert_eq!(arrival.body.state, BodyState::Partial);
}

#[tokio::test]
async fn a_server_can_be_started_awaited_and_dropped_inside_a_runtime() {
    let server = FaultServer::start(Script::new()).unwrap();
    let _stream = sent(&server, GET);
    assert_eq!(server.wait_for_arrivals(1).await.unwrap().len(), 1);
    drop(server);
}

#[test]
fn a_wait_on_a_server_that_ends_says_so() {
    let server = FaultServer::start(Script::new()).unwrap();
    let wait = server.wait_for_arrivals(1);
    drop(server);
    assert_eq!(wait.wait().unwrap_err().kind(), ErrorKind::Stopped);
}

#[test]
fn an_address_that_others_can_reach_has_to_be_allowed() {
    let address: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let error = FaultServer::start_at(Script::new(), Listen::at(address)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exposed);
    let allowed = Listen::at(address).reachable_from_anywhere();
    assert!(FaultServer::start_at(Script::new(), allowed).is_ok());
}

#[test]
fn an_address_that_is_taken_is_an_error_of_one_line() {
    let server = FaultServer::start(Script::new()).unwrap();
    let error = FaultServer::start_at(Script::new(), Listen::at(server.address())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Listen);
    assert!(error.to_string().starts_with("cannot listen at 127.0.0.1:"), "{error}");
}

#[test]
fn a_refusing_address_refuses_and_a_black_hole_swallows() {
    let refusing = Refusing::new().unwrap();
    let error = TcpStream::connect(refusing.address()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let hole = BlackHole::new().unwrap();
    let mut stream = TcpStream::connect(hole.address()).unwrap();
    stream.write_all(GET).unwrap();
    assert!(is_silent(&mut stream));
}

#[tokio::test]
async fn an_arrival_over_http2_says_the_same_and_its_stream() {
    let server = FaultServer::start(Script::new()).unwrap();
    let mut client = Client::connect(&server).await;
    client.post(b"hello").await.unwrap();
    client.get().await.unwrap();

    let arrivals = server.arrivals();
    let [post, get] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    assert_eq!((post.sequence, post.connection, post.protocol), (1, 1, Protocol::Http2));
    assert_eq!((post.stream, get.stream), (Some(1), Some(3)));
    assert_eq!((post.method.as_str(), post.path(), post.query()), ("POST", "/orders", None));
    assert_eq!((get.path(), get.query(), get.header(":authority")), ("/status", Some("x=1"), Some("box")));
    assert_eq!((post.body.length, post.body.sha256.as_str()), (5, OF_HELLO));
    assert_eq!(post.body.state, BodyState::Complete);
    assert!(post.at <= get.at);
}

#[tokio::test]
async fn an_upload_over_http2_that_breaks_off_is_partial_and_cancelled() {
    let server = FaultServer::start(Script::new()).unwrap();
    let mut client = Client::connect(&server).await;
    let (response, mut body) = client.begin(Method::PUT, "/").await.unwrap();
    body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    server.wait_for_arrivals(1).await.unwrap();
    body.send_reset(Reason::CANCEL);
    drop(response);
    let counts = server.wait_for_cancelled(1).await.unwrap();
    assert_eq!(counts.stream_resets, 1);
    let arrival = &server.arrivals()[0];
    assert_eq!(arrival.body.state, BodyState::Partial);
    assert!(arrival.cancelled && arrival.body.length <= 5, "{arrival:?}");
}

#[test]
fn arrivals_are_noted_when_their_head_comes() {
    let pause = Duration::from_millis(30);
    let server = FaultServer::start(Script::new()).unwrap();
    let mut stream = sent(&server, GET);
    expect(&mut stream, EMPTY_200);
    std::thread::sleep(pause);
    stream.write_all(GET).unwrap();
    let arrivals = server.wait_for_arrivals(2).wait().unwrap();
    assert!(arrivals[1].at - arrivals[0].at >= pause);
}
