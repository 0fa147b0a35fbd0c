use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::stand::{NAME, Stand, acceptor, ask, get, head_of, post, server};
use crate::egress::{Domains, Policy, Route, Routing};

/// One more than what is held.
const TOO_LONG: usize = 8 * 1024 * 1024 + 1;

async fn stand() -> Stand {
    let route = Route::to([NAME.parse().unwrap()]).with_secret("a", "ALPHA").unwrap();
    Stand::with([route.with_field("added", &json!(1))]).await
}

#[tokio::test]
async fn only_json_is_changed() {
    let stand = stand().await;
    let mut client = stand.client().await;
    for (kind, coding, body, wanted) in [
        ("application/json; charset=utf-8", "identity", "{}", r#"{"added":1}"#),
        ("application/vnd.x+json", "identity", "{}", r#"{"added":1}"#),
        ("application/json", "gzip", "{}", "{}"),
        ("text/plain", "identity", r#"{"a":"{{SECRET:a}}"}"#, r#"{"a":"{{SECRET:a}}"}"#),
        ("application/json", "identity", "no json {{SECRET:a}}", "no json {{SECRET:a}}"),
        ("application/json", "identity", r#"["{{SECRET:a}}"]"#, r#"["ALPHA"]"#),
        ("application/json", "identity", "", ""),
    ] {
        let request = get("/").method("POST").header("content-type", kind).header("content-encoding", coding);
        let got = ask(&mut client, request.body(body).unwrap()).await.got();
        assert_eq!(got["body"], wanted, "{kind} {coding} {body}");
    }
    for (body, wanted) in [("{}", r#"{"added":1}"#), ("{{SECRET:a}}", "{{SECRET:a}}"), ("a=1", "a=1")] {
        let got = ask(&mut client, get("/").method("POST").body(body).unwrap()).await.got();
        assert_eq!(got["body"], wanted, "what does not say what it is can be JSON, too");
    }
}

#[tokio::test]
async fn json_that_is_too_long_is_refused_and_none_of_it_sent() {
    let stand = stand().await;
    let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
    let head = format!("POST / HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/json\r\n");
    stream.write_all(format!("{head}content-length: {TOO_LONG}\r\n\r\n").as_bytes()).await.unwrap();
    let said = head_of(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");

    let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = vec![b' '; 64 * 1024];
    for _ in 0..=TOO_LONG / chunk.len() {
        let size = format!("{:x}\r\n", chunk.len());
        // It need not read what it does not want.
        if stream.write_all(size.as_bytes()).await.is_err()
            || stream.write_all(&chunk).await.is_err()
            || stream.write_all(b"\r\n").await.is_err()
        {
            break;
        }
    }
    let said = head_of(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413") || said.is_empty(), "{said}");
    assert_eq!(stand.server.had(), 0);
}

#[tokio::test]
async fn what_is_not_changed_may_be_as_long_as_it_likes() {
    let stand = stand().await;
    let stream = stand.secured(&format!("{NAME}:443"), NAME).await;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut client, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    let chunks = (0..24).map(move |_| Ok::<_, std::convert::Infallible>(Frame::data(chunk.clone())));
    let body = StreamBody::new(futures_util::stream::iter(chunks));
    let answer = client.send_request(get("/").method("PUT").body(body).unwrap()).await.unwrap();
    let got: Value = serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(got["length"], 24 << 20);
    assert_eq!(got["headers"]["transfer-encoding"], "chunked");
    assert_eq!(got["headers"]["content-length"], Value::Null);
}

#[tokio::test]
async fn who_waits_for_a_word_before_the_body_gets_it() {
    let stand = stand().await;
    for kind in ["application/json", "text/plain"] {
        let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: {kind}\r\ncontent-length: 2\r\n\
             expect: 100-continue\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let said = head_of(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 100"), "{said}");
        stream.write_all(b"{}").await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert!(said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn bodies_wait_for_room_and_all_come_through() {
    let stand = stand().await;
    let text = format!(r#"{{"pad":"{}"}}"#, "x".repeat(1 << 20));
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(stand.client().await);
    }
    // Twelve that may be of any length take more room than there is at a time.
    let all = clients.iter_mut().map(|client| {
        let text = text.clone();
        async move { ask(client, post("/").body(text).unwrap()).await.got()["length"].clone() }
    });
    let lengths = futures_util::future::join_all(all).await;
    assert!(lengths.iter().all(|length| *length == text.len() + r#","added":1"#.len()), "{lengths:?}");
}

/// Writes for as long as somebody takes it, and says how much that was; no more than is too much anyway.
async fn written_until_nobody_takes_it(stream: &mut (impl AsyncWrite + Unpin)) -> usize {
    let (chunk, mut written) = (vec![b'x'; 64 * 1024], 0);
    while written <= TOO_MUCH {
        match tokio::time::timeout(Duration::from_millis(500), stream.write_all(&chunk)).await {
            Ok(Ok(())) => written += chunk.len(),
            _ => break,
        }
    }
    written
}

/// More than sockets and what lies between them hold.
const TOO_MUCH: usize = 64 * 1024 * 1024;

#[tokio::test]
async fn who_does_not_read_is_not_read_for() {
    let (acceptor, roots) = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = server().await;
    server.address = listener.local_addr().unwrap();
    let route = Route::to([NAME.parse().unwrap()]).with_header("x-added", "1").unwrap();
    let policy = Policy::from(Domains::all()).with_routing(Routing::new([route]));
    let stand = Stand::before(server, roots, policy, None).await;
    let accepted = async || {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        head_of(&mut stream).await;
        stream
    };

    // A client that reads no more than the head of an answer.
    let mut client = stand.secured(&format!("{NAME}:443"), NAME).await;
    client.write_all(format!("GET / HTTP/1.1\r\nhost: {NAME}\r\n\r\n").as_bytes()).await.unwrap();
    let mut behind = accepted().await;
    behind.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
    assert!(head_of(&mut client).await.starts_with("HTTP/1.1 200"));
    assert!(written_until_nobody_takes_it(&mut behind).await < TOO_MUCH);

    // A server that reads no more than the head of a request.
    let mut client = stand.secured(&format!("{NAME}:443"), NAME).await;
    let head = format!("PUT / HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 1000000000\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let _behind = accepted().await;
    assert!(written_until_nobody_takes_it(&mut client).await < TOO_MUCH);
}
