//! One request and its answer, byte by byte: how they can end, and which connection is used again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::request;
use crate::{KEY, Stand};

pub(crate) const APP: &str = "/local/sandboxes/box/port/1/x";
const TOO_LARGE: &str = "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno\n";
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Reads one head; `None` where the connection ends first.
pub(crate) fn head(stream: &mut BufReader<UnixStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head.to_ascii_lowercase())
}

/// Answers every request on a connection with `answer`, and reads no body.
pub(crate) fn answering(answer: &'static str) -> impl Fn(UnixStream) + Send + Sync + 'static {
    move |stream| {
        let mut stream = BufReader::new(stream);
        while head(&mut stream).is_some() {
            // Whoever asked may have gone away.
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    }
}

/// Answers with `answer` as soon as there is a head, and closes with everything else unread.
fn closing_after(answer: &'static str) -> impl Fn(UnixStream) + Send + Sync + 'static {
    move |stream| {
        let mut byte = [0];
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            if (&stream).read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            seen.push(byte[0]);
        }
        let _ = (&stream).write_all(answer.as_bytes());
    }
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Sized,
    Chunked,
}

fn post(length: usize, framing: Framing) -> String {
    let framing = match framing {
        Framing::Sized => format!("content-length: {length}"),
        Framing::Chunked => "transfer-encoding: chunked".to_owned(),
    };
    format!("POST {APP} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\n{framing}\r\n\r\n")
}

/// Writes a body as a client does that sends all before it reads, until nobody takes any more.
async fn write_body(stream: &mut (impl tokio::io::AsyncWrite + Unpin), length: usize, framing: Framing) {
    let block = vec![b'x'; 64 * 1024];
    let mut left = length;
    while left > 0 {
        let part = &block[..left.min(block.len())];
        let written = match framing {
            Framing::Sized => stream.write_all(part).await,
            Framing::Chunked => {
                let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
                chunk.extend_from_slice(part);
                chunk.extend_from_slice(b"\r\n");
                stream.write_all(&chunk).await
            }
        };
        if written.is_err() {
            return;
        }
        left -= part.len();
    }
    if matches!(framing, Framing::Chunked) {
        let _ = stream.write_all(b"0\r\n\r\n").await;
    }
}

/// What comes until the connection ends.
pub(crate) async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // Some of it may come before a reset.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a length.
pub(crate) async fn answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if body.len() >= length.unwrap().parse().unwrap() {
                return text;
            }
        }
        let mut some = [0; 4096];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return text,
            Ok(length) => seen.extend_from_slice(&some[..length]),
        }
    }
}

async fn early(stand: &Stand, length: usize, framing: Framing) -> String {
    let mut stream = stand.client.connect().await;
    stream.write_all(post(length, framing).as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let (answer, ()) = tokio::join!(answer(&mut read), write_body(&mut write, length, framing));
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_while_the_body_is_still_sent_arrives_every_time() {
    for framing in [Framing::Sized, Framing::Chunked] {
        let stand = Stand::with_agent(closing_after(TOO_LARGE), |_| {}).await;
        for (length, rounds) in [(2, 100), (200_000, 100), (100_000_000, 2)] {
            for round in 0..rounds {
                let answer = early(&stand, length, framing).await;
                let whole = answer.starts_with("HTTP/1.1 413") && answer.ends_with("\r\n\r\nno\n");
                assert!(whole, "{length} {framing:?} {round}: {answer:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_arrives_whatever_is_still_sent() {
    let stand = Stand::new().await;
    for (length, rounds) in [(2, 50), (200_000, 50), (100_000_000, 1)] {
        for round in 0..rounds {
            let answer = early(&stand, length, Framing::Sized).await;
            assert!(answer.contains("WORKLOAD_NOT_FOUND"), "{length} {round}: {answer:?}");
            let closes = answer.to_ascii_lowercase().contains("connection: close\r\n");
            let is_read = length == 2;
            assert_eq!(closes, !is_read, "nobody sends the next request on what is not read: {answer}");
        }
    }
}

/// A client that sends one request after the other on one connection while it may.
async fn neighbours(stand: &Stand, length: usize, rounds: usize) {
    let io = hyper_util::rt::TokioIo::new(stand.client.connect().await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    for round in 0..rounds {
        if sender.ready().await.is_err() {
            let io = hyper_util::rt::TokioIo::new(stand.client.connect().await);
            let (next, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender = next;
        }
        let body: http_body_util::Full<bytes::Bytes> = vec![0; length].into();
        let answer = sender.send_request(request(Method::POST, APP).body(body).unwrap()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{length} {round}: {error:?}"));
        assert_eq!(answer.status(), 404, "{length} {round}");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        assert_eq!(body, "none", "{length} {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_unread_bodies_leave_the_neighbours_alone() {
    let stand =
        Stand::with_agent(closing_after("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone"), |_| {})
            .await;
    for (length, rounds) in [(0, 60), (2, 100), (200_000, 60)] {
        tokio::join!(
            neighbours(&stand, length, rounds),
            neighbours(&stand, 2, rounds),
            neighbours(&stand, length, rounds)
        );
    }
}

#[tokio::test]
async fn a_length_beside_chunks_takes_nothing_away() {
    let stand = Stand::with_agent(
        answering(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
             14\r\n01234567890123456789\r\n0\r\n\r\n",
        ),
        |_| {},
    )
    .await;
    assert_eq!(stand.client.get(APP).await.text(), "01234567890123456789");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_never_whole() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789";
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n0\r\n\r\n";
    for answer in [whole, chunked] {
        let cut = Arc::new(AtomicUsize::new(0));
        let at = Arc::clone(&cut);
        let stand = Stand::with_agent(
            move |stream| closing_after(&answer[..at.load(Ordering::SeqCst)])(stream),
            |_| {},
        )
        .await;
        for length in 1..answer.len() {
            cut.store(length, Ordering::SeqCst);
            let sent = request(Method::POST, APP).body(http_body_util::Full::default()).unwrap();
            match stand.client.send(sent).await {
                Err(_) => {}
                Ok(answer) => assert_eq!(answer.status(), 502, "cut at {length}: {answer:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_coding_that_nobody_undoes_is_not_handed_on() {
    for coding in ["gzip, chunked", "identity"] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n1\r\nx\r\n0\r\n\r\n");
        let stand = Stand::with_agent(closing_after(answer.leak()), |_| {}).await;
        let refused = stand.client.get(APP).await;
        assert_eq!((refused.status().as_u16(), refused.code().as_str()), (502, "BAD_GATEWAY"));
    }
    let stand = Stand::with_agent(answering(OK), |_| {}).await;
    let mut stream = stand.client.connect().await;
    let head = format!(
        "POST {APP} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\
         transfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 501") && answer.contains("NOT_IMPLEMENTED"), "{answer}");
}

#[tokio::test]
async fn trailers_arrive_but_for_what_only_the_platform_may_say() {
    let stand = Stand::with_agent(
        answering(
            "HTTP/1.1 200 OK\r\ntrailer: x-sum, x-blaxel-source\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nx-sum: 7\r\nx-blaxel-source: platform\r\n\r\n",
        ),
        |_| {},
    )
    .await;
    let mut stream = stand.client.connect().await;
    let head = format!(
        "GET {APP} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\nte: trailers\r\n\
         connection: te, close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("1\r\na\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_none_is_the_clients_fault() {
    let stand = Stand::with_agent(
        |stream| {
            let mut everything = Vec::new();
            // An app that waits for the whole of the body, which never comes.
            let _ = BufReader::new(stream).read_to_end(&mut everything);
        },
        |_| {},
    )
    .await;
    for body in ["zz\r\n", "5\r\nab", "ffffffffffffffffffff\r\n", "1\r\nabc\r\n0\r\n\r\n"] {
        let mut stream = stand.client.connect().await;
        stream.write_all(post(0, Framing::Chunked).as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        let is_clients = answer.starts_with("HTTP/1.1 400") && answer.contains("BAD_REQUEST");
        // Who ends its side within a body may also just be gone.
        assert!(is_clients || answer.is_empty(), "{body:?}: {answer}");
        assert!(is_clients || body == "5\r\nab", "{body:?}: {answer}");
    }
}

#[tokio::test]
async fn a_read_may_have_a_body_in_chunks() {
    let (seen, arrived) = std::sync::mpsc::channel();
    let stand = Stand::with_agent(
        move |stream| {
            let mut stream = BufReader::new(stream);
            let Some(head) = head(&mut stream) else { return };
            let mut body = String::new();
            while !body.ends_with("0\r\n\r\n") {
                if stream.read_line(&mut body).unwrap() == 0 {
                    break;
                }
            }
            seen.send((head, body)).unwrap();
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        },
        |_| {},
    )
    .await;
    let mut stream = stand.client.connect().await;
    let sent = post(0, Framing::Chunked).replacen("POST", "GET", 1) + "3\r\nabc\r\n0\r\n\r\n";
    stream.write_all(sent.as_bytes()).await.unwrap();
    let (head, body) = tokio::task::spawn_blocking(move || arrived.recv().unwrap()).await.unwrap();
    assert!(head.contains("transfer-encoding: chunked\r\n") && body.contains("abc"), "{head}{body}");
}

#[tokio::test]
async fn a_mutation_that_may_have_run_is_not_to_be_repeated() {
    let stand = Stand::with_agent(closing_after("HTTP/1.1 2"), |_| {}).await;
    let mutation = stand.client.post(APP, "1").await;
    assert_eq!(
        (mutation.status().as_u16(), mutation.code().as_str(), mutation.header("x-should-retry")),
        (502, "BAD_GATEWAY", Some("false"))
    );
    assert_eq!(mutation.header("retry-after"), None);
    let read = stand.client.get(APP).await;
    assert_eq!((read.status().as_u16(), read.header("x-should-retry")), (502, None));
    assert_eq!((read.header("retry-after"), read.header("retry-after-ms")), (Some("1"), Some("1000")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_closed_without_a_word_costs_nobody_a_request() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&arrived);
    let stand = Stand::with_agent(
        move |stream| {
            let mut stream = BufReader::new(stream);
            // One answer that promises to stay, and an end.
            if head(&mut stream).is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.get_mut().write_all(OK.as_bytes());
            }
        },
        |_| {},
    )
    .await;
    for _ in 0..200 {
        assert_eq!(stand.client.get(APP).await.status(), 200);
        assert_eq!(stand.client.method(Method::POST, APP, "").await.status(), 200);
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 400, "each arrived once");
}

#[tokio::test]
async fn as_many_headers_come_back_as_go_in() {
    let many = "x: 1\r\n".repeat(190);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{many}\r\n");
    let stand = Stand::with_agent(answering(answer.leak()), |_| {}).await;
    let mut stream: TcpStream = stand.client.connect().await;
    let head = format!(
        "GET {APP} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n{many}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("\r\nx: 1").count(), 190);
}
