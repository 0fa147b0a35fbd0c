use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::super::pool::Pool;
use super::super::stream::Stream;
use super::*;

const WHOLE: [(&str, &str); 7] = [
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "hello"),
    ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", ""),
    ("HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n\r\n", ""),
    ("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "hi"),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n003;x=\"y\"\r\nllo\r\n0\r\n\r\n",
        "hello",
    ),
    (
        "\r\nHTTP/1.1 200\r\ntransfer-encoding: Chunked\r\n\r\nA \r\n0123456789\r\n0\r\nx-end: 1\r\n\r\n",
        "0123456789",
    ),
];

/// A connection, its other end, and where it is kept afterwards.
fn line() -> (Line, UnixStream, Arc<Pool>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let home = Arc::new(Pool::new(Duration::from_secs(60)));
    (Line::new(Stream::Left(ours), &home), theirs, home)
}

async fn ask(line: Line, method: Method) -> Result<Response<Answer>, NotAnswered> {
    let (target, headers) = ("/a?b=c", HeaderMap::from_iter([(HOST, HeaderValue::from_static("h"))]));
    line.read(Question { method: &method, target, headers: &headers }, || {}, |_, _| {}).await
}

/// What becomes of an answer that comes in these pieces, before the other end closes: the body, where it came whole.
async fn after(pieces: impl IntoIterator<Item = &[u8]>) -> Result<Vec<u8>, String> {
    let (line, mut theirs, _home) = line();
    let writing = async {
        for piece in pieces {
            theirs.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        // It has read what was asked, so that its end is no reset.
        theirs.read_buf(&mut Vec::new()).await.unwrap();
        drop(theirs);
    };
    let reading = async {
        let response = ask(line, Method::GET).await.map_err(|error| format!("{error:?}"))?;
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok(body.to_bytes().to_vec())
    };
    tokio::join!(writing, reading).1
}

#[tokio::test]
async fn an_answer_is_the_same_whatever_the_pieces_that_it_comes_in() {
    for (answer, body) in WHOLE {
        assert_eq!(after([answer.as_bytes()]).await.as_deref(), Ok(body.as_bytes()), "{answer:?}");
        assert_eq!(after(answer.as_bytes().chunks(1)).await.as_deref(), Ok(body.as_bytes()), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_anywhere_is_no_answer() {
    for (answer, _) in WHOLE {
        for end in 0..answer.len() {
            let cut = after([&answer.as_bytes()[..end]]).await;
            assert!(cut.is_err(), "{end} of {answer:?}: {cut:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    assert_eq!(after([&b"HTTP/1.0 200 OK\r\n\r\nhel"[..], b"lo"]).await.as_deref(), Ok(&b"hello"[..]));
}

#[tokio::test]
async fn what_is_no_answer_is_refused_when_that_can_be_seen() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(hop_headers() + 1));
    let endless_size =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;{}", "x".repeat(20_000));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for no_answer in [
        "SSH-2.0-x",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &many_headers,
        &endless_size,
        &format!("{chunked}x\r\n"),
        &format!("{chunked}\r\n"),
        &format!("{chunked}-1\r\n"),
        &format!("{chunked}1 1\r\n"),
        &format!("{chunked}10000000000000000\r\n"),
        &format!("{chunked}1\nx\r\n"),
        &format!("{chunked}1\r\nxy\r\n"),
        &format!("{chunked}0\r\nx y: 1\r\n\r\n"),
    ] {
        let (line, mut theirs, home) = line();
        theirs.write_all(no_answer.as_bytes()).await.unwrap();
        // Its other end stays open: nobody waits for what cannot become one.
        let broken = match ask(line, Method::GET).await {
            Ok(response) => response.into_body().collect().await.is_err(),
            Err(error) => matches!(error, NotAnswered::Broken(Broken::Malformed(_))),
        };
        assert!(broken && home.is_empty(), "{no_answer:?}");
    }
}

fn hop_headers() -> usize {
    reveille_wire::hop::MAX_HEADERS
}

#[tokio::test]
async fn a_head_without_an_end_is_refused() {
    let (line, mut theirs, _home) = line();
    let endless = async {
        theirs.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while theirs.write_all(&[b'x'; 4096]).await.is_ok() {}
    };
    let refused =
        async { matches!(ask(line, Method::GET).await, Err(NotAnswered::Broken(Broken::Malformed(_)))) };
    assert!(tokio::join!(endless, refused).1);
}

#[tokio::test]
async fn a_connection_is_kept_only_where_nothing_is_left_on_it() {
    for (answer, is_kept) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more", false),
        ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\nok", false),
        (
            "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
            false,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n\x01", false),
    ] {
        let (line, mut theirs, home) = line();
        theirs.write_all(answer.as_bytes()).await.unwrap();
        let response = ask(line, Method::GET).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert_eq!(!home.is_empty(), is_kept, "{answer:?}");
    }
}

#[tokio::test]
async fn what_comes_on_a_kept_connection_that_nobody_asked_for_ends_it() {
    let (line, mut theirs, home) = line();
    line.keep();
    theirs.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    tokio::task::yield_now().await;
    assert!(home.take().is_none());
}

#[tokio::test]
async fn the_answer_to_head_has_no_body_whatever_length_it_says() {
    let (line, mut theirs, home) = line();
    theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await.unwrap();
    let response = ask(line, Method::HEAD).await.unwrap();
    assert!(response.body().is_end_stream() && response.headers()["content-length"] == "5");
    assert!(!home.is_empty(), "and its connection is free at once");
}

#[tokio::test]
async fn it_is_written_as_it_was_asked_and_told_of_once() {
    let (line, mut theirs, _home) = line();
    let mut told = 0;
    theirs.write_all(b"HTTP/1.1 299 As You Like\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("h"))]);
    let question = Question { method: &Method::GET, target: "/a%20b?c", headers: &headers };
    let response = line.read(question, || told += 1, |_, _| {}).await.unwrap();
    let mut asked = [0; 64];
    let length = theirs.read(&mut asked).await.unwrap();
    assert_eq!(std::str::from_utf8(&asked[..length]), Ok("GET /a%20b?c HTTP/1.1\r\nhost: h\r\n\r\n"));
    let reason =
        response.extensions().get::<hyper::ext::ReasonPhrase>().map(hyper::ext::ReasonPhrase::as_bytes);
    assert_eq!(
        (told, response.status(), reason),
        (1, StatusCode::from_u16(299).unwrap(), Some(&b"As You Like"[..]))
    );
}

#[tokio::test]
async fn a_question_that_nobody_took_was_never_written() {
    let (line, theirs, _home) = line();
    drop(theirs);
    let mut told = 0;
    let headers = HeaderMap::new();
    let question = Question { method: &Method::GET, target: "/", headers: &headers };
    let refused = line.read(question, || told += 1, |_, _| {}).await;
    assert!(matches!(refused, Err(NotAnswered::NeverWritten(None))), "{refused:?}");
    assert_eq!(told, 0);
}
