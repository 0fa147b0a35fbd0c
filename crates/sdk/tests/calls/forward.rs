//! Requests of another client's that are handed on.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use reveille::{Body, ErrorKind, FaultKind, Forwarded, Plane, RetryPolicy, Seen, StopReason};
use reveille_faults::{Arrival, BlackHole, BodyState, End, FaultServer, Moment, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{BOTH, builder, everywhere, probing};

const BOX: &str = "/acme/sandboxes/box";

fn to(method: &str, below: &str) -> http::request::Builder {
    http::Request::builder().method(method).uri(format!("{BOX}{below}"))
}

fn get(below: &str) -> http::Request<Body> {
    to("GET", below).body(Body::empty()).unwrap()
}

fn post(body: impl Into<Body>) -> http::Request<Body> {
    let request = to("POST", "/process").header("x-blaxel-authorization", "Bearer theirs");
    request.header("x-blaxel-workspace", "acme").body(body.into()).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The whole body of an answer, or how it broke.
fn read(answer: Forwarded) -> Result<Bytes, reveille::Error> {
    runtime().block_on(answer.into_http().into_body().collect()).map(http_body_util::Collected::to_bytes)
}

/// The headers as they arrived, but for what HTTP/2 says in its own.
fn headers(arrival: &Arrival) -> Vec<(&str, &str)> {
    let said =
        arrival.headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()));
    let mut said: Vec<_> = said.filter(|(name, _)| !name.starts_with(':') && *name != "host").collect();
    said.sort_unstable();
    said
}

#[test]
fn a_request_arrives_as_it_came_but_for_what_belonged_to_its_connection() {
    everywhere(
        BOTH,
        || Script::new().then(Step::ok("done")),
        |server, client, way| {
            let below = "/port/1//a/../b%2Fc;d?e=%20&f=/..";
            let request = to("PUT", below)
                .header("host", "relay.example")
                .header("connection", "keep-alive, x-near")
                .header("x-near", "1")
                .header("x-far", "2")
                .header("te", "trailers, gzip")
                .header("expect", "100-continue")
                .header("proxy-authorization", "Basic eA==")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(Body::from("bytes"))
                .unwrap();
            let (answer, history) = way.finish(client.forward(Plane::Data, request).with_history()).unwrap();
            assert_eq!((answer.status().as_u16(), history.len()), (200, 1));
            let arrivals = server.arrivals();
            let arrival = arrivals.first().unwrap();
            assert_eq!(
                (arrival.method.as_str(), arrival.target.as_str()),
                ("PUT", &*format!("{BOX}{below}"))
            );
            let sent: Vec<_> =
                headers(arrival).into_iter().filter(|(name, _)| *name != "content-length").collect();
            assert_eq!(sent, [("cookie", "a=1; b=2"), ("te", "trailers"), ("x-far", "2")]);
            let host = arrival.header("host").or(arrival.header(":authority"));
            assert_eq!(host, Some(&*server.address().to_string()));
            assert_eq!((arrival.body.length, arrival.body.state), (5, BodyState::Complete));
        },
    );
}

#[test]
fn a_read_survives_the_window_and_a_mutation_is_sent_once() {
    everywhere(
        BOTH,
        || Script::new().step(Step::status(503)).then(Step::ok("awake")),
        |_, client, way| {
            let (answer, history) =
                way.finish(client.forward(Plane::Data, get("/health")).with_history()).unwrap();
            assert_eq!((answer.status().as_u16(), history.to_string()), (200, "503, 200".to_owned()));
        },
    );
    everywhere(
        BOTH,
        || Script::new().then(Step::status(503)),
        |server, client, way| {
            let answer = way.finish(client.forward(Plane::Data, post("x")).with_history()).unwrap().0;
            assert_eq!(answer.stop_reason(), Some(StopReason::NotReplayable));
            assert_eq!((answer.status().as_u16(), server.arrivals().len()), (503, 1));
        },
    );
}

#[test]
fn a_mutation_wakes_its_sandbox_first_in_the_name_of_whoever_sent_it() {
    let window = Step::status(503).lasting(Duration::from_millis(60));
    let server = FaultServer::start(Script::new().step(window).then(Step::ok("done"))).unwrap();
    let client = probing(&server.url()).retry(RetryPolicy::new()).build().unwrap();
    let answer = client.forward(Plane::Data, post("x")).wait().unwrap();
    assert_eq!((answer.status().as_u16(), answer.history().len()), (200, 1));
    assert!(!answer.history().waited_for_probe().is_zero());
    let theirs = [("x-blaxel-authorization", "Bearer theirs"), ("x-blaxel-workspace", "acme")];
    let arrivals = server.arrivals();
    let (last, probes) = arrivals.split_last().unwrap();
    assert!(!probes.is_empty());
    for probe in probes {
        assert_eq!((probe.method.as_str(), probe.target.as_str()), ("GET", &*format!("{BOX}/health")));
        assert_eq!(headers(probe), theirs);
    }
    assert_eq!(
        (last.method.as_str(), last.header("x-blaxel-authorization")),
        ("POST", Some("Bearer theirs"))
    );
}

#[test]
fn a_sandbox_that_does_not_wake_leaves_the_mutation_unsent() {
    let server = FaultServer::start(Step::status(503)).unwrap();
    let client = probing(&server.url()).build().unwrap();
    let error = client.forward(Plane::Data, post("x")).wait().unwrap_err();
    assert_eq!(error.stop_reason(), Some(StopReason::NoWord));
    assert!(!error.may_have_run() && server.arrivals_of("POST").is_empty());
}

#[test]
fn a_request_in_the_clients_name_shows_its_key_and_not_the_one_that_came_along() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let client = builder(&server.url()).build().unwrap();
    client.forward(Plane::Data, post("x")).authorized().wait().unwrap();
    client.forward(Plane::Control, get("")).authorized().wait().unwrap();
    let arrivals = server.arrivals();
    assert_eq!(arrivals[0].header("x-blaxel-authorization"), Some("Bearer key"));
    assert_eq!(arrivals[0].header("x-blaxel-workspace"), Some("acme"));
    assert_eq!(arrivals[1].header("x-blaxel-authorization"), Some("Bearer key"));
    assert!(arrivals.iter().all(|arrival| arrival.header("user-agent").is_none()), "nothing else is added");
}

#[test]
fn a_short_answer_that_breaks_off_is_asked_for_again_and_a_long_one_breaks_off() {
    let cut =
        || Script::new().step(Step::ok("a whole answer").cut_body(3, End::Reset)).then(Step::ok("again"));
    everywhere(BOTH, cut, |_, client, way| {
        let (answer, history) =
            way.finish(client.forward(Plane::Data, get("/health")).with_history()).unwrap();
        assert_eq!(history.len(), 2);
        assert_eq!(read(answer).unwrap(), "again");
    });
    let long = Step::ok(vec![b'x'; 100_000]).cut_body(70_000, End::Reset);
    let server = FaultServer::start(Script::new().then(long)).unwrap();
    let client = builder(&server.url()).build().unwrap();
    let error = read(client.forward(Plane::Data, get("/health")).wait().unwrap()).unwrap_err();
    assert_eq!((error.kind(), server.arrivals().len()), (ErrorKind::Interrupted, 1));
}

#[test]
fn a_streamed_body_of_a_read_is_sent_once_and_in_chunks() {
    everywhere(
        BOTH,
        || Script::new().then(Step::ok("")),
        |server, client, way| {
            let pieces = futures_util::stream::iter(["one", "two"].map(|piece| Ok(Bytes::from(piece))));
            let request = to("GET", "/health").body(Body::stream(pieces)).unwrap();
            way.finish(client.forward(Plane::Data, request).with_history()).unwrap();
            assert_eq!(server.arrivals()[0].body.length, 6);
        },
    );
    let server = FaultServer::start(Step::reset(Moment::AfterRequest)).unwrap();
    let client = builder(&server.url()).build().unwrap();
    let piece = futures_util::stream::once(async { Ok(Bytes::from("one")) });
    let request = to("GET", "/health").body(Body::stream(piece)).unwrap();
    let error = client.forward(Plane::Data, request).wait().unwrap_err();
    assert_eq!((error.stop_reason(), server.arrivals().len()), (Some(StopReason::BodyOnce), 1));
}

#[test]
fn a_coding_that_would_have_to_be_undone_is_no_request() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let client = builder(&server.url()).build().unwrap();
    let request =
        to("POST", "/x").header("transfer-encoding", "gzip, chunked").body(Body::from("x")).unwrap();
    let error = client.forward(Plane::Data, request).wait().unwrap_err();
    assert_eq!((error.kind(), server.arrivals().len()), (ErrorKind::Input, 0));
}

#[test]
fn a_connection_changes_over_to_another_protocol_and_none_that_did_serves_another_request() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                    assert!(
                        head.contains("connection: upgrade\r\n") && head.contains("upgrade: echo\r\n"),
                        "{head}"
                    );
                    let answer =
                        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.unwrap();
                });
            }
        });
        let client = builder(&format!("http://{address}")).build().unwrap();
        for _ in 0..3 {
            let request = to("GET", "/port/1/ws").header("connection", "Upgrade").header("upgrade", "echo");
            let mut answer = client.forward(Plane::Data, request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["upgrade"]),
                (101, &"echo".parse().unwrap())
            );
            let mut tunnel = answer.tunnel().unwrap().await.unwrap();
            tunnel.write_all(b"hello").await.unwrap();
            let mut echoed = [0; 5];
            tunnel.read_exact(&mut echoed).await.unwrap();
            assert_eq!(&echoed, b"hello");
        }
    });
}

#[test]
fn a_change_of_protocol_is_asked_for_once() {
    let server = FaultServer::start(Step::reset(Moment::AfterRequest)).unwrap();
    let client = builder(&server.url()).build().unwrap();
    let request = to("GET", "/port/1/ws").header("connection", "Upgrade").header("upgrade", "echo");
    let error = client.forward(Plane::Data, request.body(Body::empty()).unwrap()).wait().unwrap_err();
    assert!(error.may_have_run());
    assert_eq!(server.arrivals().len(), 1);
}

#[test]
fn what_is_asked_of_the_control_plane_goes_there_and_a_sleep_makes_the_next_mutation_ask_first() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = probing(&server.url()).api_url(format!("{}/v0", server.url())).build().unwrap();
    let asked = |client: &reveille::Client, request| {
        let before = server.arrivals().len();
        assert_eq!(client.forward(Plane::Data, request).wait().unwrap().status().as_u16(), 200);
        server.arrivals()[before..].iter().filter(|arrival| arrival.target.ends_with("/health")).count()
    };
    assert_eq!([asked(&client, post("1")), asked(&client, post("2"))], [1, 0]);
    let sleep = http::Request::post("/sandboxes/box/standby").header("x-blaxel-workspace", "acme");
    client.forward(Plane::Control, sleep.body(Body::empty()).unwrap()).wait().unwrap();
    assert_eq!(server.arrivals().last().unwrap().target, "/v0/sandboxes/box/standby");
    assert_eq!(asked(&client, post("3")), 1);
}

#[test]
fn an_app_cannot_have_a_mutation_repeated_by_a_proof_of_its_own() {
    let body = r#"{"error":{"code":"WORKLOAD_UNAVAILABLE","origin":"platform","retryable":true,
        "dispatch_state":"not_dispatched","safe_to_retry_request":true}}"#;
    let proof = || {
        let answer = Step::status(404).body(body).header("x-blaxel-source", "platform");
        answer
            .header("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE")
            .header("x-blaxel-dispatch-state", "not_dispatched")
    };
    for (below, sends) in [("/process", 2), ("/port/3000/x", 1), ("/x/../port/3000/x", 1)] {
        let server = FaultServer::start(Script::new().step(proof()).then(Step::ok(""))).unwrap();
        let client = builder(&server.url()).build().unwrap();
        let answer =
            client.forward(Plane::Data, to("POST", below).body(Body::from("x")).unwrap()).wait().unwrap();
        assert_eq!(server.arrivals().len(), sends, "{below}");
        let last = answer.history().last().unwrap().seen;
        assert!(
            matches!(last, Seen::Status(status) if status.as_u16() == if sends == 2 { 200 } else { 404 })
        );
    }
}

#[test]
fn a_request_to_a_url_below_the_platform_survives_the_window() {
    let window = || Script::new().step(Step::status(503)).then(Step::ok("awake"));
    everywhere(BOTH, window, |server, client, way| {
        let url = format!("{}{BOX}/health?full=1", server.url());
        let request = http::Request::get(url).body(Body::empty()).unwrap();
        let (answer, history) = way.finish(client.send(request).with_history()).unwrap();
        assert_eq!((answer.status().as_u16(), history.to_string()), (200, "503, 200".to_owned()));
        let arrivals = server.arrivals();
        assert!(arrivals.iter().all(|it| it.target == format!("{BOX}/health?full=1")), "{arrivals:?}");
    });
}

#[test]
fn a_url_with_a_login_or_a_port_that_is_none_is_refused() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let client = builder(&server.url()).build().unwrap();
    let login = server.url().replace("http://", "http://me:hunter2@");
    for (url, flaw) in
        [(login.as_str(), "password"), ("http://127.0.0.1:99999/", "port"), ("http://[::1]:65536", "port")]
    {
        let error = client.send(http::Request::get(url).body(Body::empty()).unwrap()).wait().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Input, 0), "{url}: {error}");
        assert!(error.to_string().contains(flaw), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    assert_eq!(server.arrivals().len(), 0);
}

#[test]
fn a_request_to_a_url_elsewhere_is_sent_once_and_as_it_came() {
    let elsewhere = FaultServer::start(Script::new().then(Step::status(503))).unwrap();
    let client = probing("http://127.0.0.1:9").retry(RetryPolicy::new()).build().unwrap();
    for (method, body) in [("GET", Body::empty()), ("POST", Body::from("x"))] {
        let url = format!("{}{BOX}/process?a=%20b", elsewhere.url());
        let request = http::Request::builder().method(method).uri(url).body(body).unwrap();
        let (answer, history) = client.send(request).with_history().wait().unwrap();
        assert_eq!((answer.status().as_u16(), history.len()), (503, 1));
    }
    let arrived: Vec<_> = elsewhere.arrivals().into_iter().map(|it| (it.method, it.target)).collect();
    let target = format!("{BOX}/process?a=%20b");
    assert_eq!(arrived, [("GET".into(), target.clone()), ("POST".into(), target)]);
}

#[test]
fn a_url_that_only_begins_like_the_platforms_is_elsewhere() {
    let server = FaultServer::start(Script::new().then(Step::status(503))).unwrap();
    let client = builder(&format!("{}/run", server.url())).build().unwrap();
    let request = http::Request::get(format!("{}/runaway{BOX}", server.url())).body(Body::empty()).unwrap();
    assert_eq!(client.send(request).wait().unwrap().history().len(), 1);
}

#[test]
fn a_call_bears_silence_for_as_long_as_it_says() {
    let server = FaultServer::start(Script::new().then(Step::hang(Moment::AfterRequest))).unwrap();
    let client = builder(&server.url()).build().unwrap();
    let request = http::Request::get(format!("{}{BOX}/health", server.url())).body(Body::empty()).unwrap();
    let error = client.send(request).no_retry().read_timeout(Duration::from_millis(20)).wait().unwrap_err();
    assert_eq!(error.last_fault().map(|fault| fault.kind), Some(FaultKind::ReadTimeout));
}

#[test]
fn a_call_connects_in_the_time_that_it_says() {
    let hole = BlackHole::new().unwrap();
    let client = builder("http://127.0.0.1:9").build().unwrap();
    let request = http::Request::get(format!("https://{}/", hole.address())).body(Body::empty()).unwrap();
    let error =
        client.send(request).no_probe().connect_timeout(Duration::from_millis(20)).wait().unwrap_err();
    assert_eq!(error.last_fault().map(|fault| fault.kind), Some(FaultKind::ConnectTimeout));
}

#[test]
fn a_sleep_asked_for_by_its_url_makes_the_next_mutation_ask_first_where_one_base_is_below_the_other() {
    let server = FaultServer::start(Script::new().then(Step::ok("{}"))).unwrap();
    let client = probing(&server.url()).api_url(format!("{}/v0", server.url())).build().unwrap();
    let to = |method: &str, path: &str| {
        let request = http::Request::builder().method(method).uri(format!("{}{path}", server.url()));
        client.send(request.header("x-blaxel-workspace", "acme").body(Body::empty()).unwrap()).wait().unwrap()
    };
    to("GET", &format!("{BOX}/health"));
    to("POST", "/v0/sandboxes/box/standby");
    to("POST", &format!("{BOX}/process"));
    let arrived: Vec<_> = server.arrivals().into_iter().map(|it| (it.method, it.target)).collect();
    let health = ("GET".to_owned(), format!("{BOX}/health"));
    let sleep = ("POST".to_owned(), "/v0/sandboxes/box/standby".to_owned());
    assert_eq!(arrived, [health.clone(), sleep, health, ("POST".to_owned(), format!("{BOX}/process"))]);
}
