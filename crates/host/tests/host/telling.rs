//! What a host tells of itself: metrics, and a line for each request.

use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;

use crate::Stand;
use crate::waking::until;

const APP: &str = "/local/sandboxes/box/x";

/// Every line of an access log that is whole.
fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn metrics_are_for_whoever_has_the_key_and_count_what_happened() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    let stranger = Request::get("/metrics").header("host", "x").body(Full::default()).unwrap();
    assert_eq!(stand.client.send(stranger).await.unwrap().status(), 401);
    assert_eq!(stand.client.post(APP, "four").await.status(), 200);
    assert_eq!(stand.client.get("/local/sandboxes/none/x").await.status(), 404);

    let told = stand.client.get("/metrics").await;
    assert!(told.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{told:?}");
    let mut told = told.text().to_string();
    // What has ended is counted when its last byte is out, which its reader may learn of a moment sooner.
    let end = Instant::now() + Duration::from_secs(60);
    while !told.lines().any(|line| line == "reveille_request_answered_after_seconds_count 1")
        || !told.lines().any(|line| line == "reveille_connections 1")
    {
        assert!(Instant::now() < end, "{told}");
        told = stand.client.get("/metrics").await.text().to_string();
    }
    for line in [
        "reveille_requests_total{outcome=\"answered\"} 1",
        "reveille_body_bytes_total{direction=\"in\"} 4",
        "reveille_request_answered_after_seconds_count 1",
        "reveille_sandboxes{phase=\"awake\"} 1",
        "reveille_sandboxes{phase=\"asleep\"} 0",
        "reveille_wakings_total{outcome=\"awake\"} 2",
        "reveille_waking_seconds_count 2",
        "reveille_standbys_total 1",
        "reveille_requests_held 0",
        "reveille_connections 1",
        "reveille_responses_total{room=\"gateway\",status=\"404\"} 1",
        "reveille_responses_total{room=\"metrics\",status=\"401\"} 1",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in\n{told}");
    }
    assert!(told.ends_with("# EOF\n"));
    assert!(!told.contains("\"box\"") && !told.contains("/x"), "no label names a sandbox");
}

#[tokio::test]
async fn who_waits_is_counted_while_it_waits_and_a_waking_that_fails_is_too() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| (script.gated_wake, script.failing_wakes) = (true, 1));
    let before = stand.engine.wakes();
    let client = stand.client.clone();
    let waits = tokio::spawn(async move { client.post(APP, "1234567890").await });
    until(|| stand.engine.wakes() > before).await;
    let told = stand.client.get("/metrics").await;
    assert!(told.text().contains("reveille_requests_held 1\n"), "{told:?}");
    let bytes = told.text().lines().find_map(|line| line.strip_prefix("reveille_requests_held_bytes "));
    assert!(bytes.unwrap().parse::<u64>().unwrap() > 10, "{told:?}");
    stand.engine.go.notify_one();
    assert_eq!(waits.await.unwrap().status(), 404);
    let told = stand.client.get("/metrics").await;
    assert!(told.text().contains("reveille_requests_held 0\n"), "{told:?}");
    assert!(told.text().contains("reveille_wakings_total{outcome=\"failed\"} 1\n"), "{told:?}");
}

#[tokio::test]
async fn each_request_has_a_line_with_its_time_and_status_whoever_answered_it() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("access.log");
    let path = log.clone();
    let stand = Stand::with_box(move |settings| settings.access_log = Some(path)).await;
    // A line is written when the last byte is out, which may be after its reader has sent the next request.
    until(|| lines(&log).len() == 1).await;
    let stranger =
        Request::get("/v0/sandboxes?key=secret").header("host", "x").header("x-request-id", "mine");
    assert_eq!(stand.client.send(stranger.body(Full::default()).unwrap()).await.unwrap().status(), 401);
    until(|| lines(&log).len() == 2).await;
    let answer = stand.client.post(APP, "four").await;
    until(|| lines(&log).len() == 3).await;
    let lines = lines(&log);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (line["method"].as_str().unwrap(), line["path"].as_str().unwrap(), line["status"].as_u64())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("POST", "/v0/sandboxes", Some(200)),
            ("GET", "/v0/sandboxes", Some(401)),
            ("POST", APP, Some(u64::from(answer.status().as_u16()))),
        ]
    );
    let last = &lines[2];
    assert_eq!((&last["receivedBytes"], &last["sentBytes"]), (&4.into(), &answer.bytes().len().into()));
    assert_eq!((&last["whole"], &last["version"]), (&true.into(), &"HTTP/1.1".into()));
    assert!(last["tookMs"].as_f64().unwrap() > 0.0 && last["at"].as_str().unwrap().ends_with('Z'), "{last}");
    assert!(last["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{last}");
    assert_eq!(lines[1]["id"], "mine");
    assert!(!std::fs::read_to_string(&log).unwrap().contains("secret"), "queries hold tokens");
}

#[tokio::test]
async fn an_answer_that_its_client_left_is_no_whole_one() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("access.log");
    let path = log.clone();
    let endless = |mut stream: std::os::unix::net::UnixStream| {
        use std::io::{Read as _, Write as _};
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    };
    let stand = Stand::with_agent(endless, move |settings| settings.access_log = Some(path)).await;
    let mut client = stand.client.connect().await;
    let head = format!("GET {APP} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", crate::KEY);
    client.write_all(head.as_bytes()).await.unwrap();
    client.read_exact(&mut [0; 100_000]).await.unwrap();
    drop(client);
    until(|| lines(&log).iter().any(|line| line["path"] == APP)).await;
    let line = lines(&log).pop().unwrap();
    assert_eq!((&line["status"], &line["whole"]), (&200.into(), &false.into()), "{line}");
    assert!(line["sentBytes"].as_u64().unwrap() >= 90_000, "{line}");
}

#[tokio::test]
async fn an_access_log_that_was_moved_away_is_followed_by_a_new_one() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("access.log");
    let path = log.clone();
    let stand = Stand::with(move |settings| settings.access_log = Some(path)).await;
    stand.client.get("/v0/sandboxes").await;
    until(|| lines(&log).len() == 1).await;
    std::fs::rename(&log, root.path().join("access.log.1")).unwrap();
    stand.client.method(Method::DELETE, "/v0/sandboxes/none", "").await;
    until(|| lines(&log).len() == 1).await;
    assert_eq!(lines(&log)[0]["method"], "DELETE");
}

#[tokio::test]
async fn a_host_goes_on_without_a_log_that_cannot_be_written() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("logs/access.log");
    let path = log.clone();
    std::fs::create_dir(root.path().join("logs")).unwrap();
    let stand = Stand::with(move |settings| settings.access_log = Some(path)).await;
    std::fs::remove_dir_all(root.path().join("logs")).unwrap();
    for _ in 0..3 {
        assert_eq!(stand.client.get("/v0/sandboxes").await.status(), 200);
    }
    std::fs::create_dir(root.path().join("logs")).unwrap();
    // The log is there again with the next line.
    while lines(&log).is_empty() {
        stand.client.get("/v0/sandboxes").await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}
