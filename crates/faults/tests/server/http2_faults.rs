//! Ends over HTTP/2: of a stream, of a connection, at every moment at which one can come.

use bytes::Bytes;
use h2::Reason;
use http::Method;
use reveille_faults::{BodyState, Code, End, FaultServer, GoAway, Moment, Script, Step};

use crate::client::{Fate, is_silent, rest};
use crate::http2_client::{Client, Frames, HEADERS, PING, SETTINGS, goaway, read, read_body, stays_silent};

#[tokio::test]
async fn a_refused_stream_is_a_refused_stream_and_the_connection_lives_on() {
    let script = Script::new().step(Step::reset_stream(Code::REFUSED_STREAM)).then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    let error = client.post(b"hello").await.unwrap_err();
    assert!(error.is_reset() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
    assert_eq!(client.get().await.unwrap().body, "hello");
    assert_eq!(server.counts().connections, 1);
    assert_eq!(server.arrivals()[0].treatment, "RST_STREAM(REFUSED_STREAM) after the request");
}

#[tokio::test]
async fn a_stream_can_be_reset_with_any_code() {
    for code in [0x0, 0x1, 0x2, 0x8, 0xb, 0xd, 0xff] {
        let server = FaultServer::start(Step::reset_stream(Code(code))).unwrap();
        let error = Client::connect(&server).await.get().await.unwrap_err();
        assert!(error.is_reset() && error.is_remote(), "{error:?}");
        assert_eq!(error.reason(), Some(Reason::from(code)));
    }
}

#[tokio::test]
async fn a_goaway_that_does_not_cover_the_stream_says_so_whatever_its_code() {
    for code in [Code::NO_ERROR, Code::ENHANCE_YOUR_CALM, Code::INTERNAL_ERROR] {
        let server = FaultServer::start(Step::goaway(GoAway::not_covering().code(code))).unwrap();
        let error = Client::connect(&server).await.post(b"hello").await.unwrap_err();
        assert!(error.is_go_away() && error.is_remote(), "{error:?}");
        assert_eq!(error.reason(), Some(Reason::from(code.0)));
        assert_eq!(server.arrivals()[0].body.length, 5);
    }
}

#[test]
fn a_goaway_names_the_stream_that_it_was_told_to() {
    for (step, last) in [
        (GoAway::not_covering(), 1),
        (GoAway::covering(), 3),
        (GoAway::last_stream(0), 0),
        (GoAway::last_stream(99), 99),
    ] {
        let script = Script::new().step(Step::status(204)).then(Step::goaway(step.code(Code(7))));
        let server = FaultServer::start(script).unwrap();
        let mut frames = Frames::connect(&server);
        frames.get(1);
        assert_eq!(frames.next().unwrap().kind, HEADERS);
        frames.get(3);
        assert_eq!(frames.next(), Some(goaway(last, 7)));
    }
}

#[tokio::test]
async fn a_stream_that_a_goaway_covers_can_still_be_answered() {
    let step = Step::goaway(GoAway::covering().then_answer(Step::ok("hello")));
    let server = FaultServer::start(step).unwrap();
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get().await.unwrap().body, "hello");
    assert!(client.ended().await.is_ok());
}

#[tokio::test]
async fn a_stream_that_a_goaway_covers_can_be_left_without_an_answer() {
    let server = FaultServer::start(Step::goaway(GoAway::covering().then(End::Close))).unwrap();
    let mut client = Client::connect(&server).await;
    let error = client.get().await.unwrap_err();
    assert!(!(error.is_go_away() && error.is_remote()), "that would be a proof: {error:?}");

    let server = FaultServer::start(Step::goaway(GoAway::covering())).unwrap();
    let mut client = Client::connect(&server).await;
    let mut response = client.ask(Method::GET, "/").await.unwrap();
    server.wait_for_arrivals(1).await.unwrap();
    assert!(stays_silent(&mut response).await);
}

#[test]
fn a_graceful_goaway_comes_twice() {
    let step = Step::goaway(GoAway::covering().graceful().then_answer(Step::status(204)));
    let server = FaultServer::start(step).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    assert_eq!(frames.next(), Some(goaway(0x7fff_ffff, 0)));
    assert_eq!(frames.next(), Some(goaway(1, 0)));
    assert_eq!(frames.next().unwrap().kind, HEADERS);
}

#[test]
fn a_request_above_the_last_stream_is_neither_answered_nor_counted() {
    let step = Step::goaway(GoAway::covering().then_answer(Step::status(204)));
    let server = FaultServer::start(step).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    assert_eq!(frames.next(), Some(goaway(1, 0)));
    assert_eq!(frames.next().unwrap().stream, 1);
    frames.get(3);
    frames.ping();
    assert_eq!(frames.next().unwrap().kind, PING);
    assert_eq!(server.counts().arrivals, 1);
}

#[tokio::test]
async fn a_goaway_after_the_head_leaves_the_body_unread() {
    let server = FaultServer::start(Step::goaway(GoAway::not_covering().at(Moment::AfterHead))).unwrap();
    let mut client = Client::connect(&server).await;
    let (response, _body) = client.begin(Method::POST, "/orders").await.unwrap();
    let error = read(response).await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(server.arrivals()[0].body.state, BodyState::Partial);
}

#[tokio::test]
async fn a_reset_and_a_close_end_the_connection_without_an_answer() {
    for moment in [Moment::AfterHead, Moment::AfterRequest] {
        for step in [Step::reset(moment), Step::close(moment)] {
            let server = FaultServer::start(step).unwrap();
            let error = Client::connect(&server).await.get().await.unwrap_err();
            assert!(error.is_io() && !error.is_go_away(), "{error:?}");
            assert!(!server.arrivals()[0].cancelled);
        }
    }
}

#[test]
fn a_reset_is_a_reset_and_a_close_is_an_end() {
    for (step, fate) in [
        (Step::reset(Moment::AfterRequest), Fate::Reset),
        (Step::close(Moment::AfterRequest), Fate::Closed),
        (Step::reset(Moment::BeforeRequest), Fate::Reset),
        (Step::close(Moment::BeforeRequest), Fate::Closed),
    ] {
        let server = FaultServer::start(step).unwrap();
        let mut frames = Frames::connect(&server);
        frames.get(1);
        assert_eq!(rest(&mut frames.0).1, fate);
    }
}

#[test]
fn a_head_can_be_cut() {
    for (end, fate) in [(End::Close, Fate::Closed), (End::Reset, Fate::Reset)] {
        let server = FaultServer::start(Step::ok("hello").cut_head(12, end)).unwrap();
        let mut frames = Frames::connect(&server);
        frames.get(1);
        let (read, seen) = rest(&mut frames.0);
        let settings_and_their_ack = 9 + 9;
        assert_eq!((read.len(), seen), (settings_and_their_ack + 12, fate));
    }
}

#[tokio::test]
async fn a_body_can_be_cut_at_any_byte_in_any_way() {
    for bytes in [0, 1, 4, 5] {
        for end in [End::Close, End::Reset, End::Stream(Code::INTERNAL_ERROR)] {
            let server = FaultServer::start(Step::ok("hello").cut_body(bytes, end)).unwrap();
            let mut client = Client::connect(&server).await;
            let response = client.ask(Method::GET, "/").await.unwrap().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.headers()["content-length"].as_bytes()),
                (200, &b"5"[..])
            );
            let mut body = response.into_body();
            let error = loop {
                match body.data().await {
                    Some(Ok(piece)) => assert!(piece.len() as u64 <= bytes),
                    Some(Err(error)) => break error,
                    None => panic!("the body ended well, cut at {bytes} by {end}"),
                }
            };
            assert_eq!(error.is_reset(), matches!(end, End::Stream(_)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_body_can_stall_in_the_middle() {
    let server = FaultServer::start(Step::ok("hello").cut_body(2, End::Hang)).unwrap();
    let mut client = Client::connect(&server).await;
    let mut body = client.ask(Method::GET, "/").await.unwrap().await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "he");
    assert!(stays_silent(&mut Box::pin(read_body(&mut body))).await);
}

#[tokio::test]
async fn a_hang_notices_when_the_client_gives_up_and_the_connection_lives_on() {
    let script = Script::new()
        .step(Step::hang(Moment::AfterHead))
        .step(Step::hang(Moment::AfterRequest))
        .then(Step::ok("hello"));
    let server = FaultServer::start(script).unwrap();
    let mut client = Client::connect(&server).await;
    for n in 1..=2 {
        let mut response = client.ask(Method::GET, "/").await.unwrap();
        server.wait_for_arrivals(n).await.unwrap();
        assert!(stays_silent(&mut response).await);
        drop(response);
        server.wait_for_cancelled(n).await.unwrap();
    }
    assert_eq!(client.get().await.unwrap().body, "hello");
    let cancelled: Vec<_> = server.arrivals().iter().map(|arrival| arrival.cancelled).collect();
    assert_eq!(cancelled, [true, true, false]);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_what_hangs() {
    let server = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let mut client = Client::connect(&server).await;
    let response = client.ask(Method::GET, "/").await.unwrap();
    server.wait_for_arrivals(1).await.unwrap();
    drop(response);
    client.end().await.unwrap();
    server.wait_for_cancelled(1).await.unwrap();
    server.wait_for_closed().await.unwrap();
}

#[test]
fn a_ping_is_answered_by_what_hangs_and_not_by_what_is_frozen() {
    let server = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    frames.ping();
    let pong = frames.next().unwrap();
    assert_eq!((pong.kind, pong.payload.as_slice()), (PING, &b"12345678"[..]));

    let freeze = Step::end(Moment::AfterRequest, End::Freeze);
    let server = FaultServer::start(freeze).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    server.wait_for_arrivals(1).wait().unwrap();
    // The settings, and their acknowledgement, were sent before.
    std::io::Read::read_exact(&mut frames.0, &mut [0; 9 + 9]).unwrap();
    frames.ping();
    assert!(is_silent(&mut frames.0));
}

#[tokio::test]
async fn garbage_breaks_the_connection_of_a_client_that_knows_the_protocol() {
    for garbage in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[0, 0, 1, 0x0, 0, 0, 0, 0, 0, 7]] {
        let server = FaultServer::start(Step::garbage(garbage)).unwrap();
        let mut client = Client::connect(&server).await;
        let error = client.get().await.unwrap_err();
        assert!(!error.is_remote(), "{error:?}");
        assert_eq!(server.counts().arrivals, 1);
    }
}

#[test]
fn garbage_comes_as_it_is() {
    let server = FaultServer::start(Step::garbage_at(Moment::AfterHead, "nonsense", End::Reset)).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    let (read, fate) = rest(&mut frames.0);
    assert!(read.ends_with(b"nonsense"), "{read:?}");
    assert_eq!(fate, Fate::Reset);
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_how() {
    const FRAME_SIZE_ERROR: u32 = 0x6;
    const COMPRESSION_ERROR: u32 = 0x9;
    const PROTOCOL_ERROR: u32 = 0x1;
    let server = FaultServer::start(Script::new()).unwrap();
    let oversized = vec![0; 16 * 1024 + 1];
    for (kind, flags, payload, code) in [
        (SETTINGS, 0, &oversized[..], FRAME_SIZE_ERROR),
        (HEADERS, 0x5, &[0x80], COMPRESSION_ERROR),
        (HEADERS, 0xd, &[0xff], PROTOCOL_ERROR),
    ] {
        let mut frames = Frames::connect(&server);
        frames.send(kind, flags, u32::from(kind == HEADERS), payload);
        assert_eq!(frames.next(), Some(goaway(0, code)));
        assert_eq!(frames.next(), None);
    }
    assert_eq!(server.counts().arrivals, 0);
}

#[test]
fn a_dropped_server_ends_its_hanging_connections() {
    let server = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let mut frames = Frames::connect(&server);
    frames.get(1);
    server.wait_for_arrivals(1).wait().unwrap();
    drop(server);
    assert_eq!(frames.next(), None);
}

#[tokio::test]
async fn a_stream_is_reset_while_its_upload_goes_on() {
    let step = Step::end(Moment::AfterHead, End::Stream(Code::REFUSED_STREAM));
    let server = FaultServer::start(step).unwrap();
    let mut client = Client::connect(&server).await;
    let (response, mut body) = client.begin(Method::PUT, "/").await.unwrap();
    body.send_data(Bytes::from_static(b"he"), false).unwrap();
    let error = read(response).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
    assert_eq!(server.arrivals()[0].body.state, BodyState::Partial);
}
