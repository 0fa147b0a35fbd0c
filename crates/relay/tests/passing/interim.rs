//! What the platform says before its answers (RFC 9110, section 15.2).

use std::future::poll_fn;

use http::Request;
use reveille::HttpVersion;
use reveille_faults::{Answer, FaultServer, Script, Step};

use crate::place::{BOX, PATIENCE, plain, relay, runtime};
use crate::raw::{Raw, asked};

const HINT: [(&str, &str); 3] = [("link", "</a.css>"), ("connection", "x-near"), ("x-near", "1")];
const SAID: &str = "HTTP/1.1 103 Early Hints\nlink: </a.css>\n\n";
/// A body that the library reads.
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";

fn hinted() -> Answer {
    Step::ok("page").informational_with(103, HINT).informational_with(199, [("x", "y")])
}

#[test]
fn hints_come_before_the_answer_to_whatever_was_asked_and_to_each_its_own() {
    let quiet = |script: Script, method, path| script.on(method, &format!("{BOX}{path}"), Step::ok("none"));
    let script = quiet(quiet(Script::new(), "GET", "/none"), "POST", "/first");
    let platform = FaultServer::start(script.then(hinted())).unwrap();
    let relay = relay(plain(&platform.url()));
    let asks = [
        asked("GET", "/a", ""),
        asked("POST", "/b", "content-length: 3\r\n") + "abc",
        asked("POST", "/c", CHUNKED),
        asked("HEAD", "/d", ""),
        asked("GET", "/none", ""),
    ];
    let hear = |raw: &mut Raw, asked: &str| {
        let method = asked.split(' ').next().unwrap();
        if !asked.contains("/none") {
            assert_eq!(raw.answer(method), SAID, "{asked}");
            assert_eq!(raw.answer(method), "HTTP/1.1 199\nx: y\n\n", "{asked}");
        }
        assert!(raw.answer(method).starts_with("HTTP/1.1 200 OK\n"), "{asked}");
    };
    for mut raw in [Raw::to(&relay), Raw::by_library(&relay)] {
        for asked in &asks {
            raw.say(asked);
            hear(&mut raw, asked);
        }
        raw.say(asks.concat());
        for asked in &asks {
            hear(&mut raw, asked);
        }
    }
}

#[test]
fn hints_of_an_attempt_that_is_made_again_are_not_held_back() {
    let window = Step::status(503).informational_with(103, HINT);
    let platform = FaultServer::start(Script::new().step(window).then(hinted())).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut raw = Raw::to(&relay);
    raw.say(asked("GET", "/a", ""));
    assert_eq!([raw.answer("GET"), raw.answer("GET")], [SAID, SAID]);
    assert_eq!(raw.answer("GET"), "HTTP/1.1 199\nx: y\n\n");
    assert!(raw.answer("GET").ends_with("\n\npage"));
}

#[test]
fn a_client_that_knows_of_none_is_told_none() {
    let platform = FaultServer::start(hinted()).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut raw = Raw::to(&relay);
    raw.say(format!("GET {BOX}/a HTTP/1.0\r\nhost: h\r\n\r\n"));
    let answer = raw.answer("GET");
    assert!(answer.starts_with("HTTP/1.0 200 OK\n") && answer.ends_with("\n\npage"), "{answer}");
}

#[test]
fn hints_come_when_they_are_given() {
    let platform = FaultServer::start(hinted().delay(std::time::Duration::from_secs(3_600))).unwrap();
    let relay = relay(plain(&platform.url()));
    for mut raw in [Raw::to(&relay), Raw::to(&relay)] {
        raw.say(asked("GET", "/a", ""));
        assert_eq!(raw.answer("GET"), SAID, "the answer is still to come");
    }
}

#[test]
fn hints_of_a_platform_over_http2_come_too() {
    let platform =
        FaultServer::start(Step::ok("page").informational_with(103, [("link", "</a.css>")])).unwrap();
    let relay = relay(plain(&platform.url()).http_version(HttpVersion::Http2));
    for asked in [asked("GET", "/a", ""), asked("POST", "/b", CHUNKED)] {
        let mut raw = Raw::to(&relay);
        raw.say(&asked);
        assert_eq!(raw.answer("GET"), SAID, "{asked}");
        assert!(raw.answer("GET").ends_with("\n\npage"), "{asked}");
    }
}

#[test]
fn hints_come_to_a_client_over_http2_on_the_stream_that_they_belong_to() {
    let platform =
        FaultServer::start(Script::new().on("GET", &format!("{BOX}/none"), Step::ok("none")).then(hinted()));
    let platform = platform.unwrap();
    let relay = relay(plain(&platform.url()));
    let ask = |client: h2::client::SendRequest<bytes::Bytes>, method: &'static str, path: &'static str| async move {
        let request = Request::builder().method(method).uri(format!("http://h{BOX}{path}")).body(()).unwrap();
        let (mut answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
        let mut said = Vec::new();
        while let Some(hint) = poll_fn(|cx| answer.poll_informational(cx)).await {
            let (head, ()) = hint.unwrap().into_parts();
            let headers: Vec<_> =
                head.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            said.push(format!("{} {}", head.status.as_u16(), headers.join(", ")));
        }
        (said, answer.await.unwrap().status().as_u16())
    };
    let asking = async {
        let stream = tokio::net::TcpStream::connect(relay.address()).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let hints = || vec!["103 link: \"</a.css>\"".to_owned(), "199 x: \"y\"".to_owned()];
        for method in ["GET", "HEAD", "DELETE"] {
            assert_eq!(ask(client.clone(), method, "/a").await, (hints(), 200), "{method}");
        }
        assert_eq!(ask(client.clone(), "GET", "/none").await, (vec![], 200));
    };
    runtime().block_on(async { tokio::time::timeout(PATIENCE, asking).await }).unwrap();
}
