//! HTTP/2 in front: what is said before answers, and WebSockets on a stream.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response};

use crate::client::request;
use crate::{KEY, Stand};

const BASE: &str = "http://127.0.0.1/local/sandboxes/box";
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

async fn begin(stand: &Stand, request: http::request::Builder) -> (ResponseFuture, SendStream<Bytes>) {
    let mut client = stand.client.streams().await.ready().await.unwrap();
    client.send_request(request.body(()).unwrap(), false).unwrap()
}

async fn said(asked: &mut ResponseFuture) -> Response<()> {
    soon(poll_fn(|cx| asked.poll_informational(cx))).await.unwrap().unwrap()
}

/// Asks for a WebSocket, or for what `protocol` is.
async fn ask_for(stand: &Stand, protocol: &'static str, path: &str) -> (ResponseFuture, SendStream<Bytes>) {
    let request = Request::connect(format!("{BASE}{path}"))
        .extension(h2::ext::Protocol::from_static(protocol))
        .header("authorization", format!("Bearer {KEY}"))
        .header("sec-websocket-version", "13");
    begin(stand, request).await
}

async fn open(stand: &Stand) -> (RecvStream, SendStream<Bytes>) {
    let (asked, send) = ask_for(stand, "websocket", "/port/1/socket").await;
    let opened = soon(asked).await.unwrap();
    assert_eq!((opened.status().as_u16(), &opened.headers()["x-own"]), (200, &"1".parse().unwrap()));
    for name in ["upgrade", "connection", "sec-websocket-accept", "content-length"] {
        assert!(!opened.headers().contains_key(name), "{name}");
    }
    (opened.into_body(), send)
}

async fn say(send: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let room = soon(poll_fn(|cx| send.poll_capacity(cx))).await.unwrap().unwrap();
        send.send_data(bytes.split_to(room.min(bytes.len())), false).unwrap();
    }
}

/// So many bytes of what comes.
async fn hear(receive: &mut RecvStream, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let piece = soon(receive.data()).await.unwrap().unwrap();
        receive.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    all
}

/// An agent that reads a head, and answers each as it is told.
fn answering(answers: Vec<&'static str>) -> impl Fn(UnixStream) + Send + Sync + 'static {
    move |mut stream| {
        let mut come = Vec::new();
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte) {
            come.push(byte[0]);
            if come.ends_with(b"\r\n\r\n") {
                come.clear();
                for answer in &answers {
                    // Whoever asked may have gone away.
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        }
    }
}

const HINTS: [&str; 2] = [
    "HTTP/1.1 102 Processing\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\nx-blaxel-source: platform\r\nconnection: close\r\n\r\n",
];

#[tokio::test]
async fn what_announces_an_answer_comes_when_it_is_said_and_before_the_answer() {
    let stand = Stand::with_agent(answering(HINTS.to_vec()), |_| {}).await;
    for method in [Method::GET, Method::POST] {
        let (mut asked, mut body) = begin(&stand, request(method, &format!("{BASE}/x"))).await;
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(said(&mut asked).await.status(), 102);
        let hint = said(&mut asked).await;
        assert_eq!((hint.status().as_u16(), hint.headers().len()), (103, 1), "{hint:?}");
        assert_eq!(hint.headers()["link"], "</x>");
        // The answer never comes, and nobody waits for it any more.
        body.send_reset(Reason::CANCEL);
    }
    let stand = Stand::with_agent(
        answering(vec![HINTS[1], "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nhi"]),
        |_| {},
    )
    .await;
    let (mut asked, mut body) = begin(&stand, request(Method::GET, &format!("{BASE}/x"))).await;
    body.send_data(Bytes::new(), true).unwrap();
    assert_eq!(said(&mut asked).await.status(), 103);
    let answer = soon(asked).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("link")), (201, None));
    assert_eq!(hear(&mut answer.into_body(), 2).await, b"hi");
}

#[tokio::test]
async fn a_body_that_waits_to_be_asked_for_is_asked_for_when_its_request_is_forwarded() {
    let stand = Stand::with_box(|_| {}).await;
    let waiting = |path: &str| {
        request(Method::POST, &format!("http://127.0.0.1{path}")).header("expect", "100-continue")
    };
    let (mut asked, mut body) = begin(&stand, waiting("/local/sandboxes/box/port/1/count")).await;
    assert_eq!(said(&mut asked).await.status(), 100);
    say(&mut body, Bytes::from_static(b"hello")).await;
    body.send_data(Bytes::new(), true).unwrap();
    assert_eq!(hear(&mut soon(asked).await.unwrap().into_body(), 1).await, b"5");
    let (mut asked, _body) = begin(&stand, waiting("/local/sandboxes/none/count")).await;
    assert!(soon(poll_fn(|cx| asked.poll_informational(cx))).await.is_none(), "it goes nowhere");
    assert_eq!(soon(asked).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_and_its_end() {
    let stand = Stand::with_box(|_| {}).await;
    let (mut receive, mut send) = open(&stand).await;
    let much: Bytes = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    let sent = much.clone();
    let writing = tokio::spawn(async move {
        say(&mut send, sent).await;
        send.send_data(Bytes::new(), true).unwrap();
    });
    assert!(hear(&mut receive, much.len()).await == much);
    writing.await.unwrap();
    assert!(soon(receive.data()).await.is_none_or(|last| last.unwrap().is_empty()));
    assert!(receive.is_end_stream());
}

#[tokio::test]
async fn a_websocket_keeps_its_sandbox_awake_until_its_client_leaves() {
    for leaves in [Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(20)).await;
        let (mut receive, mut send) = open(&stand).await;
        let sleeps = stand.engine.sleeps();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(stand.engine.sleeps(), sleeps, "it is open");
        say(&mut send, Bytes::from_static(b"hello")).await;
        assert_eq!(hear(&mut receive, 5).await, b"hello");
        send.send_reset(leaves);
        while stand.engine.is_awake("box") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_websocket_wakes_its_sandbox() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    let (mut receive, mut send) = open(&stand).await;
    say(&mut send, Bytes::from_static(b"hello")).await;
    assert_eq!(hear(&mut receive, 5).await, b"hello");
}

#[tokio::test]
async fn a_websocket_needs_a_key_like_anything_else() {
    let stand = Stand::with_box(|_| {}).await;
    let request = Request::connect(format!("{BASE}/port/1/socket"));
    let (asked, _send) = begin(&stand, request.extension(h2::ext::Protocol::from_static("websocket"))).await;
    assert_eq!(soon(asked).await.unwrap().status(), 401);
    assert_eq!(stand.engine.app("box").arrived(), 0);
}

#[tokio::test]
async fn a_sandbox_that_opens_no_websocket_opens_none_for_the_client() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno", 502),
        ("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 502),
        (
            "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", 403),
    ] {
        let stand = Stand::with_agent(answering(vec![answer]), |_| {}).await;
        let (asked, _send) = ask_for(&stand, "websocket", "/x").await;
        assert_eq!(soon(asked).await.unwrap().status().as_u16(), status, "{answer}");
    }
}

#[tokio::test]
async fn other_protocols_on_a_stream_are_refused_and_nothing_is_sent() {
    let stand = Stand::with_box(|_| {}).await;
    for protocol in ["connect-udp", "", "websocket2"] {
        let (asked, _send) = ask_for(&stand, protocol, "/port/1/socket").await;
        assert_eq!(soon(asked).await.unwrap().status(), 501, "{protocol}");
    }
    // A tunnel of the old kind has no place to lead to.
    let old = Request::connect("127.0.0.1:1").header("authorization", format!("Bearer {KEY}"));
    let (asked, _send) = begin(&stand, old).await;
    assert!(soon(asked).await.unwrap().status().is_client_error());
    assert_eq!(stand.engine.app("box").arrived(), 0);
}
