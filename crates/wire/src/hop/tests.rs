use super::*;
use proptest::prelude::*;

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn stripped(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = map(pairs);
    strip(&mut headers).unwrap();
    headers
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let left = stripped(&[
        ("connection", "close, X-Mine"),
        ("connection", "x-other"),
        ("x-mine", "1"),
        ("x-other", "2"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("accept", "*/*"),
    ]);
    assert_eq!(left, map(&[("accept", "*/*")]));
}

#[test]
fn that_a_connection_stays_is_not_told_on() {
    for said in ["keep-alive", "Keep-Alive"] {
        let left = stripped(&[("connection", said), ("accept", "*/*"), ("content-length", "3")]);
        assert_eq!(left, map(&[("accept", "*/*"), ("content-length", "3")]));
    }
    let twice = [("connection", "keep-alive"), ("connection", "x-mine"), ("x-mine", "1"), ("accept", "*/*")];
    assert_eq!(stripped(&twice), map(&[("accept", "*/*")]));
    let with_time = [("keep-alive", "timeout=5"), ("connection", "keep-alive"), ("accept", "*/*")];
    assert_eq!(stripped(&with_time), map(&[("accept", "*/*")]));
}

#[test]
fn the_promise_to_read_trailers_goes_on() {
    assert_eq!(stripped(&[("te", "gzip;q=1, Trailers"), ("connection", "te")]), map(&[("te", "trailers")]));
}

#[test]
fn what_must_stay_with_the_message_cannot_be_talked_away() {
    let kept = [("host", "h"), ("content-length", "3"), ("trailer", "x")];
    let mut sent = kept.to_vec();
    sent.push(("connection", "content-length, host, trailer"));
    assert_eq!(stripped(&sent), map(&kept));
}

#[test]
fn a_length_beside_chunks_says_nothing() {
    for pairs in [
        [("content-length", "5"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "Chunked"), ("content-length", "5")],
    ] {
        let mut headers = map(&pairs);
        assert_eq!(strip(&mut headers), Ok(Framing::Chunked));
        assert!(headers.is_empty(), "{headers:?}");
    }
}

#[test]
fn lengths_that_agree_become_one() {
    assert_eq!(
        stripped(&[("content-length", "5"), ("content-length", "5")]),
        map(&[("content-length", "5")])
    );
    assert_eq!(stripped(&[("content-length", "5, 5")]), map(&[("content-length", "5")]));
}

#[test]
fn a_coding_that_nobody_undoes_is_refused() {
    for coding in ["gzip, chunked", "chunked, gzip", "identity", "chunked, chunked", "", "x"] {
        let mut headers = map(&[("transfer-encoding", coding), ("content-length", "5")]);
        assert_eq!(strip(&mut headers), Err(UnknownCoding), "{coding:?}");
    }
    let mut twice = map(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]);
    assert_eq!(strip(&mut twice), Err(UnknownCoding));
    let mut odd = HeaderMap::new();
    odd.insert("transfer-encoding", HeaderValue::from_bytes(b"chunked\xff").unwrap());
    assert_eq!(strip(&mut odd), Err(UnknownCoding));
}

#[test]
fn an_upgrade_is_one_only_where_connection_says_so() {
    let asked = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    assert_eq!(upgrade(&asked), Some(HeaderValue::from_static("websocket")));
    assert_eq!(upgrade(&map(&[("upgrade", "h2c")])), None);
    assert_eq!(upgrade(&map(&[("connection", "upgrade")])), None);
    let offered =
        [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")];
    let mut offered = map(&offered);
    assert_eq!(upgrade(&offered), None);
    assert_eq!((strip(&mut offered), offered.len()), (Ok(Framing::Plain), 0));
    assert_eq!(upgrade(&map(&[("connection", "Upgrade"), ("upgrade", "TLS/1.2")])), None);
    let mut next = HeaderMap::new();
    write_upgrade(&mut next, HeaderValue::from_static("websocket"));
    assert_eq!(upgrade(&next), upgrade(&asked));
}

#[test]
fn trailers_cannot_say_what_belongs_into_a_head() {
    let mut trailers = map(&[
        ("content-length", "1"),
        ("authorization", "Bearer x"),
        ("x-blaxel-authorization", "Bearer x"),
        ("transfer-encoding", "chunked"),
        ("x-own", "1"),
    ]);
    strip_trailers(&mut trailers);
    assert_eq!(trailers, map(&[("x-own", "1")]));
}

#[test]
fn cookies_that_were_sent_apart_become_one_header() {
    let mut headers = map(&[("cookie", "a=1"), ("x-own", "1"), ("cookie", "b=2")]);
    join_cookies(&mut headers);
    assert_eq!(headers, map(&[("cookie", "a=1; b=2"), ("x-own", "1")]));
}

proptest! {
    #[test]
    fn nothing_of_one_hop_is_left_whatever_the_headers_are(
        pairs in prop::collection::vec((
            prop::sample::select(vec![
                "connection", "te", "upgrade", "keep-alive", "transfer-encoding", "content-length", "x-a", "x-b",
            ]),
            prop::sample::select(vec!["chunked", "x-a", "close, X-B", "trailers", "5", "5, 5", " , ", "é"]),
        ), 0..8)
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let before = headers.clone();
        match strip(&mut headers) {
            Err(UnknownCoding) => prop_assert_eq!(headers, before),
            Ok(framing) => {
                for name in [CONNECTION, UPGRADE, KEEP_ALIVE, TRANSFER_ENCODING] {
                    prop_assert!(!headers.contains_key(&name), "{}", name);
                }
                prop_assert!(headers.get_all(TE).iter().all(|te| te == "trailers"));
                prop_assert!(headers.get_all(CONTENT_LENGTH).iter().count() <= 1);
                if framing == Framing::Chunked {
                    prop_assert!(!headers.contains_key(CONTENT_LENGTH));
                }
            }
        }
    }
}
