//! Who may keep a connection, and what is said where there is no request.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Stand;

const APP: &str = "/local/sandboxes/box/x";

/// Everything that is answered to `bytes` until the connection ends.
async fn answered(stand: &Stand, bytes: &[u8]) -> String {
    let mut stream = stand.client.connect().await;
    // The host may stop reading before all is written.
    let _ = stream.write_all(bytes).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

async fn is_open(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte)).await.is_err()
}

#[tokio::test]
async fn silent_strangers_delay_nobody() {
    let stand = Stand::with_box(|settings| settings.limits.connections = 16).await;
    let mut strangers = Vec::new();
    for number in 0..100 {
        let mut stranger = stand.client.connect().await;
        // Some begin a head that they never end.
        if number % 2 == 0 {
            let _ = stranger.write_all(b"GET /v0/sandboxes HTTP/1.1\r\nhost: ").await;
        }
        strangers.push(stranger);
        if number % 10 == 0 {
            // All of them would be kept for a minute each.
            let answer = tokio::time::timeout(Duration::from_secs(60), stand.client.get(APP)).await;
            assert_eq!(answer.expect("nobody waits for strangers").status(), 200);
        }
    }
    loop {
        let mut open = 0;
        for stranger in &mut strangers {
            open += usize::from(is_open(stranger).await);
        }
        if open <= 16 {
            break;
        }
    }
}

#[tokio::test]
async fn who_is_being_served_is_not_sent_away() {
    let stand = Stand::with_box(|settings| settings.limits.connections = 4).await;
    let client = stand.client.clone();
    let waits = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    while stand.engine.app("box").arrived() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(stand.client.connect().await);
    }
    assert_eq!(stand.client.get(APP).await.status(), 200);
    stand.engine.app("box").gate.notify_one();
    assert_eq!(waits.await.unwrap().text(), "through");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_answered_in_the_platforms_shape() {
    let stand = Stand::new().await;
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: 1\r\n".repeat(300));
    let large = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    for (head, status, code) in [
        ("GET  / HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\nno header\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400, "BAD_REQUEST"),
        (&many, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE"),
        (&large, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE"),
    ] {
        let answer = answered(&stand, head.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(head.contains("x-blaxel-source: platform") && head.contains(code), "{answer}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&code.into(), &status.into()));
    }
}

#[tokio::test]
async fn a_host_that_stops_refuses_what_is_new_and_ends_what_runs() {
    let stand = Stand::with_box(|settings| settings.limits.drain = Duration::from_secs(60)).await;
    let app = stand.engine.app("box");
    let client = stand.client.clone();
    let runs = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    while app.arrived() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let Stand { host, client, data: _data, .. } = stand;
    let stopping = tokio::spawn(host.stop());
    let refused = loop {
        let answer = client.post("/local/sandboxes/box/x", "1").await;
        if answer.status() != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status().as_u16(), refused.code().as_str()), (404, "WORKLOAD_UNAVAILABLE"));
    assert_eq!(
        (refused.header("x-blaxel-dispatch-state"), refused.header("retry-after")),
        (Some("not_dispatched"), Some("1"))
    );
    app.gate.notify_one();
    assert_eq!(runs.await.unwrap().text(), "through");
    stopping.await.unwrap();
}
