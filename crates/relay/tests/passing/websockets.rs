//! WebSockets of HTTP/1.1 and on streams of HTTP/2 (RFC 8441), each way from the one to the other.

mod clients;
mod platform;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reveille::HttpVersion;
use tokio::net::TcpListener;

use crate::place::{BOX, PATIENCE, ask, eventually, plain, relay, runtime, to};
use clients::{asked, hear, http2_client, is_end, much, over_http1, over_http2, say};
use platform::{Opens, Platform, Then, both};

#[test]
fn one_in_front_of_either_carries_bytes_both_ways_and_its_end() {
    both(Opens::Rightly, Then::Echo, |platform, relay| {
        let mut stream = over_http1(relay);
        let (much, mut back) = (much(), Vec::new());
        let mut writing = stream.try_clone().unwrap();
        let sent = much.clone();
        let writer = std::thread::spawn(move || {
            writing.write_all(&sent).unwrap();
            writing.shutdown(std::net::Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut back).unwrap();
        writer.join().unwrap();
        assert!(back == much, "{} of {} bytes", back.len(), much.len());
        assert_eq!(*platform.ended.lock().unwrap(), [Some(much.len())]);
    });
}

#[test]
fn one_over_http2_in_front_of_either_carries_bytes_both_ways_and_its_end() {
    both(Opens::Rightly, Then::Echo, |platform, relay| {
        runtime().block_on(async {
            let (mut receive, mut send) = over_http2(relay).await;
            let (much, mut back) = (much(), Vec::new());
            let sent = much.clone();
            let writer = tokio::spawn(async move {
                say(&mut send, sent).await;
                send.send_data(Bytes::new(), true).unwrap();
            });
            while let Some(piece) = hear(&mut receive).await {
                back.extend_from_slice(&piece.unwrap());
            }
            writer.await.unwrap();
            assert!(back == much, "{} of {} bytes", back.len(), much.len());
        });
        assert_eq!(*platform.ended.lock().unwrap(), [Some(4 * 3_000_000)]);
    });
}

#[test]
fn what_the_platform_gets_is_a_request_as_its_version_has_one() {
    for version in [HttpVersion::Negotiated, HttpVersion::Http2] {
        let platform = Platform::start(version, Opens::Rightly, Then::Echo);
        let relay = platform.relay(version);
        drop(over_http1(&relay));
        runtime().block_on(async { drop(over_http2(&relay).await) });
        for (method, path, headers) in platform.arrived() {
            assert_eq!(path, format!("{BOX}/port/1/ws"));
            assert_eq!(headers["sec-websocket-version"], "13");
            assert!(headers.contains_key("via"));
            if version == HttpVersion::Http2 {
                assert_eq!(method, Method::CONNECT);
                assert!(!headers.contains_key("connection") && !headers.contains_key("upgrade"));
            } else {
                assert_eq!(method, Method::GET);
                assert!(headers["upgrade"].as_bytes().eq_ignore_ascii_case(b"websocket"));
                assert_eq!(headers["sec-websocket-key"].len(), 24);
            }
        }
        assert_eq!(platform.arrived().len(), 2);
    }
}

#[test]
fn what_the_platform_ends_or_lets_go_of_ends_for_the_client() {
    both(Opens::Rightly, Then::End, |platform, relay| {
        let mut stream = over_http1(relay);
        let mut last = String::new();
        let mut word = [0; 13];
        stream.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"the last word");
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_string(&mut last).unwrap();
        assert_eq!(last, "");
        runtime().block_on(async {
            let (mut receive, mut send) = over_http2(relay).await;
            assert_eq!(hear(&mut receive).await.unwrap().unwrap(), "the last word");
            assert!(is_end(hear(&mut receive).await) && receive.is_end_stream());
            send.send_data(Bytes::from_static(b"bye"), true).unwrap();
        });
        eventually("both ended", || *platform.ended.lock().unwrap() == [Some(0), Some(3)]);
    });
    both(Opens::Rightly, Then::Abort, |_, relay| {
        let mut all = Vec::new();
        // A reset is an end, too.
        let _ = over_http1(relay).read_to_end(&mut all);
        assert!(all.is_empty());
        runtime().block_on(async {
            let (mut receive, _send) = over_http2(relay).await;
            assert!(is_end(hear(&mut receive).await));
        });
    });
}

#[test]
fn a_client_that_leaves_ends_it_for_the_platform() {
    both(Opens::Rightly, Then::Echo, |platform, relay| {
        drop(over_http1(relay));
        eventually("the first ended", || platform.ended.lock().unwrap().len() == 1);
        runtime().block_on(async {
            let (_receive, mut send) = over_http2(relay).await;
            send.send_reset(h2::Reason::CANCEL);
            let (_receive, mut send) = over_http2(relay).await;
            send.send_reset(h2::Reason::INTERNAL_ERROR);
        });
        eventually("all ended", || platform.ended.lock().unwrap().len() == 3);
    });
}

#[test]
fn one_wakes_its_sandbox_first_and_is_asked_for_once() {
    for version in [HttpVersion::Negotiated, HttpVersion::Http2] {
        let platform = Platform::start(version, Opens::After(2), Then::Echo);
        let relay = relay(to(&platform.url).http_version(version));
        runtime().block_on(async { drop(over_http2(&relay).await) });
        let arrived = platform.arrived();
        let health = |arrived: &(Method, String, HeaderMap)| arrived.1 == format!("{BOX}/health");
        assert!(arrived.len() >= 4 && arrived[..arrived.len() - 1].iter().all(health), "{arrived:?}");
        assert_eq!(arrived.last().unwrap().1, format!("{BOX}/port/1/ws"));
    }
}

#[test]
fn one_that_is_refused_is_not_asked_for_again_and_the_refusal_passes() {
    both(Opens::After(1), Then::Echo, |platform, relay| {
        runtime().block_on(async {
            let (answer, _) = asked(relay, "websocket").await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["reveille-attempts"]),
                (503, &"503".parse().unwrap())
            );
        });
        assert_eq!(platform.arrived().len(), 1);
    });
}

#[test]
fn an_answer_that_opens_nothing_is_none_that_opens() {
    for opens in [Opens::WithoutChange, Opens::Wrongly] {
        let platform = Platform::start(HttpVersion::Negotiated, opens, Then::Echo);
        let relay = platform.relay(HttpVersion::Negotiated);
        runtime().block_on(async {
            let (answer, _) = asked(&relay, "websocket").await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-should-retry"]),
                (502, &"false".parse().unwrap())
            );
        });
        assert_eq!(platform.arrived().len(), 1, "{opens:?}");
    }
}

#[test]
fn other_protocols_on_a_stream_are_refused_and_nothing_is_sent() {
    let platform = Platform::start(HttpVersion::Http2, Opens::Rightly, Then::Echo);
    let relay = platform.relay(HttpVersion::Http2);
    runtime().block_on(async {
        for protocol in ["connect-udp", "", "websocket2"] {
            assert_eq!(asked(&relay, protocol).await.0.status(), 501, "{protocol}");
        }
        // A tunnel of the old kind has no place to lead to.
        let client = http2_client(&relay).await;
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = "127.0.0.1:1".parse().unwrap();
        let (answer, _) = client.ready().await.unwrap().send_request(request, false).unwrap();
        assert!(tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().status().is_client_error());
    });
    assert!(platform.arrived().is_empty());
}

#[test]
fn a_platform_of_http2_that_takes_none_is_asked_over_http1() {
    // It speaks both, and says nothing of WebSockets over HTTP/2.
    let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let platform = Platform { url: url.clone(), arrived: Arc::default(), ended: Arc::default() };
    let serving = platform.clone();
    runtime().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let platform = serving.clone();
            let service = service_fn(move |request| {
                let answer = platform.answer(request, Opens::Rightly, Then::Echo);
                async { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    let relay = platform.relay(HttpVersion::Http2);
    assert_eq!(ask(&relay, "GET", &format!("{BOX}/x"), "").status, 200);
    drop(over_http1(&relay));
    let (method, _, headers) = platform.arrived().pop().unwrap();
    assert_eq!((method, headers.contains_key("upgrade")), (Method::GET, true));
}

#[test]
fn one_beside_many_requests_on_one_connection_keeps_nobody_back() {
    let platform = Platform::start(HttpVersion::Http2, Opens::Rightly, Then::Echo);
    let relay = platform.relay(HttpVersion::Http2);
    let _open: Vec<_> = (0..20).map(|_| over_http1(&relay)).collect();
    for at in 0..20 {
        assert_eq!(ask(&relay, "GET", &format!("{BOX}/{at}"), "").status, 200);
    }
}

#[test]
fn one_that_is_open_ends_when_the_relay_stops() {
    let platform = Platform::start(HttpVersion::Http2, Opens::Rightly, Then::Echo);
    let mut settings = crate::place::settings(plain(&platform.url).http_version(HttpVersion::Http2));
    settings.drain = Duration::from_millis(50);
    let relay = crate::place::start(settings);
    let mut stream = over_http1(&relay);
    let (mut receive, _send) = runtime().block_on(over_http2(&relay));
    runtime().block_on(relay.stop());
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert!(all.is_empty());
    runtime().block_on(async { assert!(is_end(hear(&mut receive).await)) });
}
