use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::rt::TokioIo;
use reveille_host::HostSettings;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::request;
use crate::{KEY, Stand};

const BASE: &str = "/local/sandboxes/box";

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let stand = Stand::with_box(|_| {}).await;
    let sent = request(Method::PATCH, &format!("{BASE}/port/3000//a%2Fb/%C3%BC/?q=%20+1&q=2"))
        .header("x-mine", "1")
        .header("authorization", "Basic of-the-app")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .body(Full::from("body"))
        .unwrap();
    let seen = stand.client.send(sent).await.unwrap().json();
    assert_eq!(seen["target"], "/port/3000//a%2Fb/%C3%BC/?q=%20+1&q=2");
    assert_eq!((&seen["method"], &seen["body"]), (&json!("PATCH"), &json!("body")));
    let expected = json!({
        "host": "127.0.0.1",
        "x-mine": "1",
        "authorization": "Basic of-the-app",
        "content-length": "4",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "127.0.0.1",
        "x-forwarded-proto": "http",
    });
    assert_eq!(seen["headers"], expected);
}

#[tokio::test]
async fn the_hosts_key_stays_at_the_host() {
    let stand = Stand::with_box(|_| {}).await;
    let sent = Request::get(format!("{BASE}/x"))
        .header("host", "h")
        .header("authorization", format!("Bearer {KEY}"));
    let seen = stand.client.send(sent.body(Full::default()).unwrap()).await.unwrap();
    assert!(!seen.text().contains(KEY), "{seen:?}");
}

#[tokio::test]
async fn a_path_cannot_lead_out_of_the_sandbox() {
    let stand = Stand::with_box(|_| {}).await;
    for path in ["/../other/x", "/%2e%2e/other/x", "/a/../../other"] {
        let refused = stand.client.get(&format!("{BASE}{path}")).await;
        assert_eq!((refused.status().as_u16(), refused.code().as_str()), (400, "BAD_REQUEST"), "{path}");
    }
    assert_eq!(stand.client.get(&format!("{BASE}/a/../b")).await.json()["target"], "/a/../b");
    assert_eq!(stand.engine.app("box").arrived(), 1);
}

#[tokio::test]
async fn what_a_url_does_not_name_is_said_in_the_platforms_words() {
    let stand = Stand::with_box(|_| {}).await;
    for (path, code) in [
        ("/", "ROUTE_NOT_FOUND"),
        ("/local/boxes/box", "ROUTE_NOT_FOUND"),
        ("/other/sandboxes/box/x", "WORKSPACE_NOT_FOUND"),
        ("/local/sandboxes/none/x", "WORKLOAD_NOT_FOUND"),
    ] {
        let answer = stand.client.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.code().as_str()), (404, code), "{path}");
        assert_eq!(answer.json()["error"]["retryable"], false);
        assert!(answer.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn an_app_cannot_speak_for_the_platform() {
    let stand = Stand::with_box(|_| {}).await;
    let answer = stand.client.get(&format!("{BASE}/port/1/forge")).await;
    assert_eq!((answer.status().as_u16(), answer.text(), answer.header("x-own")), (404, "app", Some("1")));
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("x-blaxel-")), "{answer:?}");
}

#[tokio::test]
async fn http2_clients_are_served_too() {
    let stand = Stand::with_box(|_| {}).await;
    let mut http2 = stand.client.http2().await;
    let sent = Request::post(format!("http://sandbox.test{BASE}/x"))
        .header("x-blaxel-authorization", format!("Bearer {KEY}"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::from("body"));
    let answer = http2.send_request(sent.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&seen["headers"]["host"], &seen["version"]), (&json!("sandbox.test"), &json!("HTTP/1.1")));
    assert_eq!((&seen["headers"]["cookie"], &seen["body"]), (&json!("a=1; b=2"), &json!("body")));
}

#[tokio::test]
async fn http_1_0_clients_are_served_too() {
    let stand = Stand::with_box(|_| {}).await;
    let mut stream = stand.client.connect().await;
    let head = format!("GET {BASE}/x HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn head_has_no_body_wherever_the_answer_comes_from() {
    let stand = Stand::with_box(|_| {}).await;
    for path in [format!("{BASE}/x"), "/local/sandboxes/none/x".to_owned()] {
        let answer = stand.client.method(Method::HEAD, &path, "").await;
        assert!(answer.bytes().is_empty() && answer.header("content-length") != Some("0"), "{answer:?}");
    }
}

#[tokio::test]
async fn many_requests_on_one_connection_use_few_to_the_agent() {
    let stand = Stand::with_box(|_| {}).await;
    let io = TokioIo::new(stand.client.connect().await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    for number in 0..50 {
        let sent = request(Method::GET, &format!("{BASE}/{number}")).body(Full::<Bytes>::default()).unwrap();
        let answer = sender.send_request(sent).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
    }
    assert_eq!(stand.engine.app("box").arrived(), 50);
}

/// What this process has taken of memory at the most, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

const LARGE: usize = 256 * 1024 * 1024;

#[tokio::test]
async fn large_bodies_go_through_in_either_direction_without_being_kept() {
    let stand = Stand::with_box(|_| {}).await;
    let before = peak();
    let down = request(Method::GET, &format!("{BASE}/port/1/zeros?{LARGE}")).body(Full::<Bytes>::default());
    let mut body = stand.client.open(down.unwrap()).await.unwrap().into_body().into_data_stream();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        length += chunk.unwrap().len();
    }
    assert_eq!(length, LARGE);

    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let frames =
        (0..LARGE / chunk.len()).map(move |_| Ok::<_, std::io::Error>(http_body::Frame::data(chunk.clone())));
    let up = request(Method::POST, &format!("{BASE}/port/1/count"))
        .body(StreamBody::new(futures_util::stream::iter(frames)));
    let counted =
        stand.client.open(up.unwrap()).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(counted, LARGE.to_string());
    // The kernel counts in batches, so that the peak may even seem to have sunk.
    let grown = peak().saturating_sub(before);
    assert!(grown < LARGE as u64 / 4, "grew by {grown} bytes");
}

#[tokio::test]
async fn a_body_that_is_cut_inside_is_cut_outside() {
    let stand = Stand::with_box(|_| {}).await;
    let cut = request(Method::GET, &format!("{BASE}/port/1/cut")).body(Full::<Bytes>::default()).unwrap();
    let answer = stand.client.open(cut).await.unwrap();
    assert_eq!(answer.status(), 200);
    stand.engine.app("box").gate.notify_one();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_agent_that_breaks_off_before_it_answers_is_a_502_without_proof() {
    let stand = Stand::with_box(|_| {}).await;
    let broken = stand.client.post(&format!("{BASE}/port/1/drop"), "1").await;
    assert_eq!((broken.status().as_u16(), broken.code().as_str()), (502, "BAD_GATEWAY"));
    let error = &broken.json()["error"];
    assert_eq!((&error["retryable"], &error["origin"]), (&json!(true), &json!("platform")));
    assert!(error.get("dispatch_state").is_none() && broken.header("x-blaxel-dispatch-state").is_none());
    assert_eq!(stand.engine.app("box").arrived(), 1, "it was not repeated");
    assert_eq!(stand.client.get(&format!("{BASE}/x")).await.status(), 200);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(20)).await;
    let mut stream = stand.client.connect().await;
    let head = format!("GET {BASE}/port/1/gate HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    while stand.engine.app("box").arrived() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(stand.engine.is_awake("box"));
    drop(stream);
    while stand.engine.is_awake("box") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_only_when_its_request_is_forwarded() {
    let stand = Stand::with_box(|_| {}).await;
    for (key, first) in [(KEY, "HTTP/1.1 100 Continue\r\n"), ("wrong", "HTTP/1.1 401 Unauthorized\r\n")] {
        let mut stream = stand.client.connect().await;
        let head = format!(
            "POST {BASE}/port/1/count HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\
             Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = vec![0; first.len()];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), first);
    }
}

#[tokio::test]
async fn who_is_refused_gets_to_read_why_although_its_body_was_not_read() {
    let stand = Stand::new().await;
    let body = Full::from(vec![0; 8 * 1024 * 1024]);
    let sent = request(Method::POST, "/local/sandboxes/none/x").body(body).unwrap();
    let refused = stand.client.send(sent).await.unwrap();
    assert_eq!((refused.status(), refused.code().as_str()), (StatusCode::NOT_FOUND, "WORKLOAD_NOT_FOUND"));
}

async fn tunnel(stand: &Stand) -> TokioIo<hyper::upgrade::Upgraded> {
    let sent = request(Method::GET, &format!("{BASE}/port/1/socket"))
        .header("connection", "Upgrade")
        .header("upgrade", "echo")
        .body(Full::<Bytes>::default())
        .unwrap();
    let mut answer = stand.client.open(sent).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()["upgrade"], "echo");
    assert_eq!(answer.headers()["x-own"], "1");
    TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap())
}

async fn echo(tunnel: &mut TokioIo<hyper::upgrade::Upgraded>, text: &str) {
    tunnel.write_all(text.as_bytes()).await.unwrap();
    let mut back = vec![0; text.len()];
    tunnel.read_exact(&mut back).await.unwrap();
    assert_eq!(back, text.as_bytes());
}

#[tokio::test]
async fn a_connection_can_switch_to_another_protocol() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(20)).await;
    let mut tunnel = tunnel(&stand).await;
    echo(&mut tunnel, "hello").await;
    stand.while_another_sleeps(3).await;
    assert!(stand.engine.is_awake("box"), "an open tunnel keeps it awake");
    echo(&mut tunnel, &"x".repeat(100_000)).await;
    drop(tunnel);
    while stand.engine.is_awake("box") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_silent_tunnel_does_not_keep_it_awake_and_what_comes_on_it_wakes_it() {
    let stand = Stand::with_box(|settings| {
        settings.standby_after = Duration::from_millis(10);
        settings.limits.silence = Duration::from_millis(10);
    })
    .await;
    let mut tunnel = tunnel(&stand).await;
    while stand.engine.is_awake("box") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let wakes = stand.engine.wakes();
    echo(&mut tunnel, "hello").await;
    while stand.engine.wakes() == wakes {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_request_that_switches_to_nothing_known_is_answered_as_usual() {
    let stand = Stand::with_box(|_| {}).await;
    let sent = request(Method::GET, &format!("{BASE}/x"))
        .header("connection", "upgrade")
        .header("upgrade", "nothing");
    let seen = stand.client.send(sent.body(Full::default()).unwrap()).await.unwrap().json();
    assert_eq!(seen["headers"]["upgrade"], "nothing");
}

#[tokio::test]
async fn a_connection_that_never_says_what_it_wants_is_closed() {
    let stand = Stand::with(|settings| settings.limits.head = Duration::from_millis(20)).await;
    for start in ["", "GET / HT", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = stand.client.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset: either way it ends.
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{start:?} is kept");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let stand = Stand::new().await;
    let mut stream = stand.client.connect().await;
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(1024 * 1024));
    // The host may stop reading before all is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn what_is_no_http_gets_no_further() {
    let stand = Stand::with_box(|_| {}).await;
    for garbage in ["\0\u{1}\u{2}\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nA\nB: c\r\n\r\n"] {
        let mut stream = stand.client.connect().await;
        stream.write_all(garbage.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    }
    let mut stream = stand.client.connect().await;
    let head = format!(
        "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("ROUTE_NOT_FOUND"), "{answer}");
}

#[tokio::test]
async fn a_host_that_stops_lets_requests_end_but_not_for_ever() {
    let stand = Stand::with_box(|settings| settings.limits.drain = Duration::from_secs(60)).await;
    let app = stand.engine.app("box");
    let client = stand.client.clone();
    let ends = tokio::spawn(async move { client.get(&format!("{BASE}/port/1/gate")).await });
    let address = stand.host.address();
    while app.arrived() < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stopping = tokio::spawn(stand.host.stop());
    tokio::task::yield_now().await;
    app.gate.notify_one();
    assert_eq!(ends.await.unwrap().text(), "through");
    stopping.await.unwrap();
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_request_that_does_not_end_does_not_keep_a_host_from_stopping() {
    let mut usual = Duration::ZERO;
    let soon = |settings: &mut HostSettings| {
        usual = std::mem::replace(&mut settings.limits.drain, Duration::from_millis(20));
    };
    let stand = Stand::with_box(soon).await;
    let client = stand.client.clone();
    let hangs = tokio::spawn(async move {
        client.send(request(Method::GET, &format!("{BASE}/port/1/gate")).body(Full::default()).unwrap()).await
    });
    while stand.engine.app("box").arrived() < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    stand.host.stop().await;
    assert!(hangs.await.unwrap().is_err());
    assert!(began.elapsed() < usual);
}
