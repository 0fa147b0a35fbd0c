//! What no client should send, and no setting should be.

use std::net::SocketAddr;

use reveille_faults::{FaultServer, Step};
use reveille_relay::{Credentials, ErrorKind, Relay};
use tokio::net::{TcpListener, TcpStream};

use crate::place::{Answer, BOX, ask, ask_with, get, plain, raw, relay, runtime, settings, start};

fn refused(settings: reveille_relay::RelaySettings) -> reveille_relay::Error {
    let _entered = runtime().enter();
    Relay::start(settings).unwrap_err()
}

#[test]
fn an_address_that_is_taken_is_said_by_its_name() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let first = relay(plain(&platform.url()));
    let mut second = settings(plain(&platform.url()));
    second.listen = first.address();
    let error = refused(second);
    assert_eq!(error.kind(), ErrorKind::Listen);
    assert!(error.to_string().starts_with(&first.address().to_string()), "{error}");
}

#[test]
fn a_platform_that_is_no_url_is_an_error_of_the_settings() {
    let error = refused(settings(plain("nowhere")));
    assert_eq!(error.kind(), ErrorKind::Settings);
}

#[test]
fn credentials_are_not_offered_to_a_network() {
    let mut open = settings(plain("http://127.0.0.1:9"));
    open.listen = SocketAddr::from(([0, 0, 0, 0], 0));
    open.credentials = Credentials::Ours;
    assert_eq!(refused(open).kind(), ErrorKind::Settings);
}

#[test]
fn its_own_credentials_go_out_in_place_of_theirs_and_never_for_a_page() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let mut ours = settings(plain(&platform.url()));
    ours.credentials = Credentials::Ours;
    let relay = start(ours);
    assert_eq!(
        ask(&relay, "GET", &format!("{BOX}/health"), "x-blaxel-authorization: Bearer theirs\r\n").status,
        200
    );
    assert_eq!(platform.arrivals()[0].header("x-blaxel-authorization"), Some("Bearer ours"));
    let page = ask(&relay, "POST", &format!("{BOX}/process"), "origin: https://evil.example\r\n");
    assert_eq!((page.status, page.header("x-blaxel-error-code")), (403, Some("FORBIDDEN")));
    let rebound =
        raw(&relay, format!("GET {BOX}/health HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"));
    assert_eq!(Answer::of(&rebound).status, 403);
    assert_eq!(platform.arrivals().len(), 1);
}

#[test]
fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let relay = relay(plain(&platform.url()));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(300_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: 1\r\n".repeat(5_000));
    let garbage: [&[u8]; 9] = [
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage that is no frame",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for bytes in garbage {
        let said = answer_to(&relay, bytes);
        let is_success = said.starts_with(b"HTTP/1.1 2") || said.windows(4).any(|four| four == b"here");
        assert!(!is_success, "{:?}", String::from_utf8_lossy(&said));
        assert_eq!(get(&relay, "/health").text(), "here");
    }
    assert!(platform.arrivals().iter().all(|arrival| arrival.target.ends_with("/health")));
}

/// What comes back for bytes after which nothing more is sent; a reset counts as an end.
fn answer_to(relay: &Relay, bytes: &[u8]) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut stream = crate::place::connect(relay);
    // The relay may close before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn a_transfer_coding_that_nobody_undoes_is_not_handed_on() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    let more = "transfer-encoding: gzip, chunked\r\n";
    let answer = Answer::of(&raw(
        &relay,
        format!("POST {BOX}/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n1\r\nx\r\n0\r\n\r\n"),
    ));
    assert_eq!((answer.status, platform.arrivals().len()), (501, 0));
}

#[test]
fn a_body_that_is_not_what_was_announced_is_a_bad_request() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    let head = format!("POST {BOX}/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = Answer::of(&raw(&relay, format!("{head}zz\r\nno chunk\r\n")));
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("body of the request"));
}

#[test]
fn a_connect_is_no_request_to_a_sandbox() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = ask_with(&relay, "CONNECT", "example.com:443", "", "");
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(platform.arrivals().len(), 0);
}

#[test]
fn a_request_to_no_path_leads_to_no_other_server() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = ask(&relay, "OPTIONS", "*", "");
    assert_eq!((answer.status, answer.header("reveille-attempts")), (400, Some("")));
    assert_eq!(platform.arrivals().len(), 0);
}

#[test]
fn a_platform_that_is_the_relay_itself_is_refused_at_the_start() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let taken = relay(plain(&platform.url()));
    let address = taken.address();
    runtime().block_on(taken.stop());
    let mut own = settings(plain(&format!("http://{address}")));
    own.listen = address;
    let error = refused(own);
    assert_eq!(error.kind(), ErrorKind::Loop);
    assert!(error.to_string().contains("is this relay itself"), "{error}");
}

#[test]
fn a_loop_by_way_of_others_ends_with_the_second_round() {
    // What leads back to the relay is known only once it runs.
    let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let way = listener.local_addr().unwrap();
    let relay = relay(plain(&format!("http://{way}")));
    let back = relay.address();
    runtime().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut on = TcpStream::connect(back).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut on).await;
            });
        }
    });
    for method in ["GET", "POST"] {
        let answer = ask(&relay, method, &format!("{BOX}/health"), "");
        assert_eq!((answer.status, answer.header("reveille-attempts")), (508, Some("508")));
        assert_eq!(answer.header("x-blaxel-error-code"), Some("LOOP_DETECTED"));
    }
}

#[test]
fn a_request_that_names_two_hosts_is_nobodys() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    let answer = ask(&relay, "GET", &format!("{BOX}/health"), "host: other.example\r\n");
    assert_eq!((answer.status, answer.header("x-blaxel-error-code")), (400, Some("BAD_REQUEST")));
    assert_eq!(platform.arrivals().len(), 0);
}
