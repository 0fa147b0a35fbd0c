use std::future::ready;
use std::task::Waker;

use super::*;

fn is_sent(interim: &Interim) -> bool {
    interim.send(StatusCode::EARLY_HINTS, &HeaderMap::new())
}

fn taken(interims: &Interims) -> String {
    interims.take().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn one_is_sent_while_its_request_is_served_and_never_to_the_next() {
    let interims = Interims::default();
    let mut first = interims.begin();
    let interim = interims.now();
    assert!(is_sent(&interim));
    assert!(first.poll_end(&cx()).is_pending(), "it is not on its way yet");
    assert_eq!(taken(&interims), "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert!(first.poll_end(&cx()).is_ready());
    assert!(!is_sent(&interim) && !is_sent(&interims.now()), "nothing is being served");
    let _second = interims.begin();
    assert!(!is_sent(&interim) && is_sent(&interims.now()));
}

#[test]
fn what_says_something_of_a_body_or_a_connection_is_left_out() {
    let interims = Interims::default();
    let _turn = interims.begin();
    let mut headers = HeaderMap::new();
    for name in ["content-length", "Transfer-Encoding", "connection", "upgrade", "link", "link"] {
        headers.append(HeaderName::try_from(name).unwrap(), "1".parse().unwrap());
    }
    assert!(interims.now().send(StatusCode::from_u16(199).unwrap(), &headers));
    assert_eq!(taken(&interims), "HTTP/1.1 199 \r\nlink: 1\r\nlink: 1\r\n\r\n");
}

#[test]
fn what_is_no_interim_answer_of_a_server_is_dropped() {
    let interims = Interims::default();
    let _turn = interims.begin();
    for status in [100, 101, 200, 204, 304, 503, 999] {
        assert!(!interims.now().send(StatusCode::from_u16(status).unwrap(), &HeaderMap::new()), "{status}");
    }
    assert_eq!(taken(&interims), "");
}

#[test]
fn what_does_not_fit_is_dropped_whole() {
    let interims = Interims::default();
    let _turn = interims.begin();
    let mut large = HeaderMap::new();
    large.insert("x", http::HeaderValue::try_from("x".repeat(MOST)).unwrap());
    assert!(!interims.now().send(StatusCode::EARLY_HINTS, &large));
    let sent = (0..10_000).filter(|_| is_sent(&interims.now())).count();
    assert_eq!(taken(&interims), "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(sent));
    assert!(sent < 10_000 && is_sent(&interims.now()), "there is room again");
}

#[test]
fn of_a_request_that_is_given_up_nothing_more_is_said() {
    let interims = Interims::default();
    let turn = interims.begin();
    let interim = interims.now();
    assert!(is_sent(&interim));
    drop(turn);
    assert_eq!(taken(&interims), "");
    let _next = interims.begin();
    assert!(!is_sent(&interim));
}

#[tokio::test]
async fn clients_of_other_versions_are_sent_none() {
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
        let interims = Interims::default();
        let sent = interims.during(version, async { is_sent(&interims.now()) }).await;
        assert!(!sent, "{version:?}");
    }
    assert_eq!(Interims::default().during(Version::HTTP_11, ready(7)).await, 7);
    assert!(!is_sent(&Interim::none()));
}

/// Whatever the order in which threads come, what was said to be sent comes whole, before the end of its own request.
#[test]
fn threads_that_send_while_a_request_ends_lose_nothing_and_send_nothing_later() {
    let interims = Interims::default();
    for number in 0..2_000 {
        let mut turn = interims.begin();
        let interim = interims.now();
        let mut headers = HeaderMap::new();
        headers.insert("x", number.into());
        std::thread::scope(|scope| {
            let sending =
                scope.spawn(|| (0..3).filter(|_| interim.send(StatusCode::EARLY_HINTS, &headers)).count());
            let mut said = String::new();
            while turn.poll_end(&cx()).is_pending() {
                said.push_str(&taken(&interims));
            }
            let sent = sending.join().unwrap();
            assert_eq!(said, format!("HTTP/1.1 103 Early Hints\r\nx: {number}\r\n\r\n").repeat(sent));
            assert_eq!(taken(&interims), "");
        });
    }
}
