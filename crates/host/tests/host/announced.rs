//! Informational answers, on their way through the gateway.

use std::io::{BufReader, Write as _};

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::request;
use crate::exchange::{APP, OK, answer, answering, head, rest};
use crate::{KEY, Stand};

const ANNOUNCED: &str = "HTTP/1.1 102 Processing\r\n\r\n\
     HTTP/1.1 103 Early Hints\r\nlink: </x>\r\nx-blaxel-source: platform\r\nconnection: close\r\n\r\n\
     HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nhi";

/// A request in HTTP/1.1, as it is framed, and a body of one byte where it has one.
fn asked(method: &str, framing: &str, body: &str) -> String {
    format!("{method} {APP} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\n{framing}\r\n{body}")
}

#[tokio::test]
async fn what_announces_an_answer_goes_before_it_and_is_not_taken_for_it() {
    let stand = Stand::with_agent(answering(ANNOUNCED), |_| {}).await;
    for request in [
        asked("GET", "", ""),
        asked("GET", "connection: close, x-near\r\n", ""),
        asked("POST", "content-length: 1\r\n", "x"),
        asked("POST", "transfer-encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
    ] {
        let mut stream = stand.client.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"\r\n\r\nhi") && stream.read_buf(&mut told).await.unwrap() > 0 {}
        let told = String::from_utf8(told).unwrap();
        let (announced, answer) = told.split_at(told.find("HTTP/1.1 201 ").unwrap_or(0));
        let wanted = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
        assert_eq!(announced, wanted, "{request}");
        assert!(answer.ends_with("\r\n\r\nhi") && !answer.contains("link:"), "{request}: {answer}");
    }
}

#[tokio::test]
async fn whoever_knows_of_no_announcements_gets_the_answer_alone() {
    let stand = Stand::with_agent(answering(ANNOUNCED), |_| {}).await;
    let mut stream = stand.client.connect().await;
    stream.write_all(asked("GET", "", "").replacen("1.1", "1.0", 1).as_bytes()).await.unwrap();
    let told = rest(&mut stream).await;
    assert!(told.contains(" 201 Created\r\n") && !told.contains("link"), "{told}");
    let mut http2 = stand.client.http2().await;
    let sent = request(Method::GET, &format!("http://h{APP}")).body(http_body_util::Full::default());
    assert_eq!(http2.send_request(sent.unwrap()).await.unwrap().status(), 201);
}

#[tokio::test]
async fn an_announcement_does_not_wait_for_the_answer() {
    let (let_go, gate) = std::sync::mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let stand = Stand::with_agent(
        move |stream| {
            let mut stream = BufReader::new(stream);
            while head(&mut stream).is_some() {
                let (announced, answer) = ANNOUNCED.split_at(ANNOUNCED.find("HTTP/1.1 201").unwrap());
                stream.get_mut().write_all(announced.as_bytes()).unwrap();
                gate.lock().unwrap().recv().unwrap();
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        },
        |_| {},
    )
    .await;
    for request in [asked("GET", "", ""), asked("DELETE", "", "")] {
        let mut stream = stand.client.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"</x>\r\n\r\n") {
            told.push(stream.read_u8().await.unwrap());
        }
        let_go.send(()).unwrap();
        assert!(answer(&mut stream).await.ends_with("hi"));
    }
}

#[tokio::test]
async fn announcements_without_end_are_dropped_and_not_kept() {
    const HINTS: usize = 5_000;
    let stand = Stand::with_agent(
        |stream| {
            let mut stream = BufReader::new(stream);
            while head(&mut stream).is_some() {
                let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(1_000));
                for _ in 0..HINTS {
                    stream.get_mut().write_all(hint.as_bytes()).unwrap();
                }
                stream.get_mut().write_all(OK.as_bytes()).unwrap();
            }
        },
        |_| {},
    )
    .await;
    let mut stream = stand.client.connect().await;
    let small = asked("GET", "", "");
    stream.write_all(small.as_bytes()).await.unwrap();
    // Nothing is read before another client has its answer: the sandbox is not kept by the one that reads nothing.
    let mut other = stand.client.connect().await;
    other.write_all(asked("GET", "connection: close\r\n", "").as_bytes()).await.unwrap();
    assert!(rest(&mut other).await.ends_with("\r\n\r\nok"));
    let mut told = Vec::new();
    while !told.ends_with(b"\r\n\r\nok") {
        assert!(stream.read_buf(&mut told).await.unwrap() > 0);
    }
    let hints = String::from_utf8(told).unwrap().matches("103 Early Hints\r\nlink: x").count();
    assert!((1..=HINTS).contains(&hints), "{hints}");
}
