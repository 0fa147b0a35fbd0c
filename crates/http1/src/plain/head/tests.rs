use http::header::AUTHORIZATION;
use proptest::prelude::*;

use super::*;

const PLAIN: &str = "POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\nConnection: Keep-Alive\r\n\
    Content-Length: 5\r\n\r\nhello, and the next one";

/// What becomes of these bytes, and what is left of them.
fn taken(bytes: &[u8]) -> (Result<Option<Head>, Otherwise>, Vec<u8>) {
    let mut came = BytesMut::from(bytes);
    let taken = take(&mut came, &mut 0);
    (taken, came.to_vec())
}

fn is_other(bytes: &[u8]) -> bool {
    let (taken, left) = taken(bytes);
    if matches!(taken, Err(Otherwise)) {
        assert_eq!(left, bytes, "it is left as it came");
    }
    matches!(taken, Err(Otherwise))
}

#[test]
fn a_head_is_taken_and_what_is_behind_it_stays() {
    let (Ok(Some(head)), left) = taken(PLAIN.as_bytes()) else { panic!("it is one") };
    assert_eq!((head.request.method(), head.request.uri().to_string()), (&Method::POST, "/a%20b?c=d".into()));
    assert_eq!((&head.request.headers()[AUTHORIZATION], head.length), (&"Bearer k".parse().unwrap(), 5));
    assert_eq!(left, b"hello, and the next one");
    let mut came = BytesMut::from(&left[..]);
    head.put_back(&mut came);
    assert_eq!(came, PLAIN.as_bytes());
}

#[test]
fn wherever_it_is_cut_it_is_the_same_head() {
    let end = PLAIN.find("hello").unwrap();
    for cut in 0..end {
        let (mut came, mut looked_at) = (BytesMut::from(&PLAIN.as_bytes()[..cut]), 0);
        assert!(matches!(take(&mut came, &mut looked_at), Ok(None)), "{cut}");
        came.extend_from_slice(&PLAIN.as_bytes()[cut..end]);
        let Ok(Some(head)) = take(&mut came, &mut looked_at) else { panic!("cut at {cut}") };
        assert_eq!((head.request.headers().len(), looked_at), (4, 0));
    }
    let (mut came, mut looked_at) = (BytesMut::new(), 0);
    for byte in &PLAIN.as_bytes()[..end - 1] {
        came.extend_from_slice(&[*byte]);
        assert!(matches!(take(&mut came, &mut looked_at), Ok(None)));
    }
    came.extend_from_slice(b"\n");
    assert!(matches!(take(&mut came, &mut looked_at), Ok(Some(_))));
}

#[test]
fn what_leaves_a_choice_or_wants_more_is_for_the_library() {
    for begin in [
        "PRI * HTTP/2.0\r\n\r\n",
        "get / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        assert!(is_other(begin.as_bytes()), "{begin:?}");
    }
    for line in [
        "Host: two",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1, 1",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 0x1",
        "Content-Length:",
        "Content-Length: 65537",
        "Content-Length: 99999999999999999999999999",
        "Connection: close",
        "Connection: keep-alive, x-mine",
        "Connection: upgrade\r\nUpgrade: websocket",
        "Expect: 100-continue",
        "TE: trailers",
        "Trailer: x",
        "X: folded\r\n line",
        "X: bare\rreturn",
        "X\u{0}: y",
        "X: \u{0}",
        ": none",
        "no colon",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\nx");
        assert!(is_other(head.as_bytes()), "{line:?}");
    }
    let many = "X: y\r\n".repeat(MAX_HEADERS);
    assert!(is_other(format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n").as_bytes()));
    assert!(is_other(format!("GET /{}", "x".repeat(MAX_HEAD)).as_bytes()));
}

#[test]
fn the_largest_body_that_is_waited_for_is_taken() {
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\ncontent-length: {MAX_BODY}\r\n\r\n");
    let (Ok(Some(head)), left) = taken(head.as_bytes()) else { panic!("it is one") };
    assert_eq!((head.length, left.len()), (MAX_BODY, 0));
}

proptest! {
    #[test]
    fn whatever_comes_is_left_as_it_came_or_taken_whole(bytes in prop::collection::vec(
        prop::sample::select(b"GETPOS /:HhXx0159\r\n\r\n\r\n\t,".to_vec()), 0..120)) {
        let mut all = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
        all.extend(bytes);
        let (taken, left) = taken(&all);
        match taken {
            Ok(None) | Err(Otherwise) => prop_assert_eq!(left, all),
            Ok(Some(head)) => {
                prop_assert!(head.bytes.ends_with(b"\r\n\r\n"));
                prop_assert!(!head.bytes[..head.bytes.len() - 4].windows(4).any(|four| four == b"\r\n\r\n"));
                let mut came = BytesMut::from(&left[..]);
                head.put_back(&mut came);
                prop_assert_eq!(&came[..], &all[..]);
            }
        }
    }
}
