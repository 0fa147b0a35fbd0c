//! Answers over HTTP/2.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use http::{Method, StatusCode};
use reveille_faults::{Body, BodyState, End, FaultServer, Moment, Script, Step};

use crate::client::{Fate, rest};
use crate::http2_client::{Client, Frames, HEADERS, read, stays_silent, upload};

#[tokio::test]
async fn every_status_comes_with_its_headers_and_its_body_on_one_connection() {
    let statuses = [200, 404, 425, 429, 500, 502, 503, 504, 599, 999];
    let script = statuses.iter().fold(Script::new(), |script, status| {
        script.step(Step::status(*status).header("Retry-After", "3").body(status.to_string()))
    });
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    for status in statuses {
        let answer = client.get().await.unwrap();
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap());
        assert_eq!(answer.headers["retry-after"], "3");
        assert_eq!(answer.headers["content-length"], "3");
        assert_eq!(answer.body, status.to_string());
    }
    assert_eq!(server.counts().connections, 1);
}

#[test]
fn statuses_that_are_none_are_sent_as_they_are() {
    let server = FaultServer::start(Step::status(0)).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    let head = frames.next().unwrap();
    assert_eq!((head.kind, head.stream), (HEADERS, 1));
    assert!(head.payload.starts_with(b"\0\x07:status\x03000"), "{head:?}");
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body() {
    let server = FaultServer::start(Step::status(503).body("hello")).unwrap();
    let mut client = Client::connect(&server).await;
    let answer = read(client.ask(Method::HEAD, "/").await.unwrap()).await.unwrap();
    assert_eq!(answer.headers["content-length"], "5");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_status_without_a_body_gets_none() {
    let server = FaultServer::start(Step::status(204).body("hello")).unwrap();
    let answer = Client::connect(&server).await.get().await.unwrap();
    assert!(answer.headers.get("content-length").is_none() && answer.body.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn informational_heads_come_before_the_real_one() {
    let server = FaultServer::start(Step::ok("hello").informational_with(103, [("link", "</a>")])).unwrap();
    let mut client = Client::connect(&server).await;
    let mut response = client.ask(Method::GET, "/").await.unwrap();
    let early = poll_fn(|context| response.poll_informational(context)).await.unwrap().unwrap();
    assert_eq!((early.status().as_u16(), early.headers()["link"].as_bytes()), (103, &b"</a>"[..]));
    assert_eq!(read(response).await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_length_that_promises_too_much_is_noticed() {
    let server = FaultServer::start(Step::ok("hello").content_length(10)).unwrap();
    let error = Client::connect(&server).await.get().await.unwrap_err();
    assert_eq!((error.reason(), error.is_remote()), (Some(Reason::PROTOCOL_ERROR), false));
}

#[tokio::test]
async fn a_big_body_is_streamed_to_its_last_byte() {
    let server = FaultServer::start(Step::ok(Body::repeat("abc", 3_000_001))).unwrap();
    let body = Client::connect(&server).await.get().await.unwrap().body;
    assert_eq!(body.len(), 3_000_001);
    assert!(body.iter().zip(b"abc".iter().cycle()).all(|(one, other)| one == other));
}

#[tokio::test]
async fn an_endless_body_goes_on_until_the_client_resets_the_stream() {
    let script = Script::new().step(Step::status(503).body(Body::endless("x"))).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    let mut body = client.ask(Method::GET, "/").await.unwrap().await.unwrap().into_body();
    for _ in 0..100 {
        let piece = body.data().await.unwrap().unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
    }
    drop(body);
    let counts = server.wait_for_cancelled(1).await.unwrap();
    assert_eq!((counts.cancelled, counts.stream_resets), (1, 1));
    assert_eq!(client.get().await.unwrap().body, "hello");
}

#[tokio::test]
async fn requests_of_one_connection_do_not_wait_for_each_other() {
    let script = Script::new().step(Step::hang(Moment::AfterRequest)).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    let mut hanging = client.ask(Method::GET, "/").await.unwrap();
    server.wait_for_arrivals(1).await.unwrap();
    assert_eq!(client.get().await.unwrap().body, "hello");
    assert!(stays_silent(&mut hanging).await);
}

#[tokio::test]
async fn delays_come_before_the_head_and_before_the_body() {
    let pause = Duration::from_millis(40);
    let server = FaultServer::start(Step::ok("hello").delay(pause).delay_body(pause)).unwrap();
    let mut client = Client::connect(&server).await;
    let began = Instant::now();
    let mut body = client.ask(Method::GET, "/").await.unwrap().await.unwrap().into_body();
    assert!(began.elapsed() >= pause);
    assert_eq!(body.data().await.unwrap().unwrap(), "hello");
    assert!(began.elapsed() >= 2 * pause);
}

#[tokio::test]
async fn a_window_answers_by_the_servers_clock() {
    let window = Duration::from_millis(300);
    let script = Script::new().step(Step::status(503).lasting(window)).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&StatusCode::OK) {
        seen.push(client.get().await.unwrap().status);
    }
    let arrivals = server.arrivals();
    let opened = arrivals[0].at;
    for arrival in &arrivals {
        let expected = if arrival.at - opened < window { "503" } else { "200" };
        assert_eq!(arrival.treatment, expected, "{arrival}");
    }
    assert_eq!((seen[0].as_u16(), arrivals.len()), (503, seen.len()));
}

#[tokio::test]
async fn an_early_answer_comes_while_the_upload_goes_on_and_ends_it() {
    let script = Script::new().step(Step::status(413).early()).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    let (response, mut body) = client.begin(Method::PUT, "/").await.unwrap();
    body.send_data(Bytes::from_static(b"he"), false).unwrap();
    assert_eq!(read(response).await.unwrap().status, 413);
    let reason = poll_fn(|context| body.poll_reset(context)).await.unwrap();
    assert_eq!(reason, Reason::NO_ERROR);
    assert_eq!(server.arrivals()[0].body.state, BodyState::Partial);
    assert_eq!(client.get().await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_big_upload_is_taken_in_whole() {
    let server = FaultServer::start(Script::new()).unwrap();
    let mut client = Client::connect(&server).await;
    let (response, mut body) = client.begin(Method::PUT, "/").await.unwrap();
    upload(&mut body, vec![b'x'; 1_000_000].into()).await.unwrap();
    assert_eq!(read(response).await.unwrap().status, 200);
    let body = &server.arrivals()[0].body;
    assert_eq!((body.length, body.state), (1_000_000, BodyState::Complete));
}

#[tokio::test]
async fn an_announced_end_lets_the_answer_through_and_nothing_after_it() {
    let server = FaultServer::start(Step::ok("hello").connection_close()).unwrap();
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get().await.unwrap().body, "hello");
    assert!(client.ended().await.is_ok());
    assert!(client.get().await.is_err());
    assert_eq!(server.counts().arrivals, 1);
}

#[test]
fn an_unannounced_end_follows_a_good_answer() {
    for (end, fate) in [(End::Close, Fate::Closed), (End::Reset, Fate::Reset)] {
        let server = FaultServer::start(Step::status(204).then(end)).unwrap();
        let mut frames = Frames::connect(&server);
        frames.get(1);
        assert_eq!(frames.next().unwrap().kind, HEADERS);
        assert_eq!(rest(&mut frames.0), (Vec::new(), fate));
    }
}
