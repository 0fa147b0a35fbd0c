//! Sandboxes that end by themselves, by a clock that is set ahead.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use http::Method;
use reveille_host::Clock;
use serde_json::{Value, json};

use crate::Stand;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn with(spec: Value) -> (Stand, Clock) {
    let clock = Clock::default();
    let stand = Stand::with(|settings| settings.clock = clock.clone()).await;
    let body = json!({"metadata": {"name": "box"}, "spec": spec}).to_string();
    let made = stand.client.post("/v0/sandboxes", &body).await;
    assert_eq!(made.status(), 200, "{made:?}");
    (stand, clock)
}

fn policy(kind: &str, value: &str) -> Value {
    json!({"lifecycle": {"expirationPolicies": [{"type": kind, "value": value, "action": "delete"}]}})
}

async fn status(stand: &Stand) -> String {
    let seen = stand.client.get("/v0/sandboxes/box").await;
    match seen.status().as_u16() {
        200 => seen.json()["status"].as_str().unwrap().to_owned(),
        other => other.to_string(),
    }
}

async fn until(stand: &Stand, wanted: &str) {
    while status(stand).await != wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_external_id_is_that_of_the_newest_that_has_not_ended() {
    let (stand, clock) = with(json!({"runtime": {"ttl": "1h"}})).await;
    let body = |name| json!({"metadata": {"name": name, "externalId": "id-1"}}).to_string();
    let found = || stand.client.get("/v0/sandboxes/by-external-id/id-1");
    stand.client.method(Method::PUT, "/v0/sandboxes/box", &body("box")).await;
    assert_eq!(found().await.json()["metadata"]["name"], "box");
    clock.skip(HOUR);
    until(&stand, "TERMINATED").await;
    assert_eq!(found().await.status(), 404, "one that has ended has no id");
    for name in ["second", "first"] {
        assert_eq!(stand.client.post("/v0/sandboxes", &body(name)).await.status(), 200);
        assert_eq!(found().await.json()["metadata"]["name"], name);
    }
}

#[tokio::test]
async fn a_sandbox_ends_when_its_time_has_come_and_its_name_is_free() {
    let (stand, clock) = with(json!({"runtime": {"ttl": "1h"}})).await;
    let left = stand.client.get("/v0/sandboxes/box").await.json()["expiresIn"].as_i64().unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    clock.skip(HOUR - MINUTE);
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    clock.skip(MINUTE);
    until(&stand, "TERMINATED").await;
    let seen = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!((&seen["state"], &seen["expiresIn"]), (&Value::Null, &Value::Null));
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 404);
    while stand.engine.has("box") {
        tokio::task::yield_now().await;
    }
    let list = |query: &str| {
        let path = format!("/v0/sandboxes{query}");
        let client = stand.client.clone();
        async move { client.get(&path).await.json()["meta"]["total"].clone() }
    };
    assert_eq!((list("").await, list("?showTerminated=true").await), (json!(0), json!(1)));
    assert_eq!(list("?status=TERMINATED,FAILED").await, 1);
    let again = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    assert_eq!((again.status().as_u16(), &again.json()["status"]), (200, &json!("DEPLOYED")));
}

#[tokio::test]
async fn the_record_of_one_that_has_ended_goes_after_its_retention() {
    let (stand, clock) =
        with(json!({"runtime": {"ttl": "5m"}, "lifecycle": {"terminatedRetention": "10m"}})).await;
    clock.skip(5 * MINUTE);
    until(&stand, "TERMINATED").await;
    clock.skip(9 * MINUTE);
    assert_eq!(status(&stand).await, "TERMINATED");
    clock.skip(2 * MINUTE);
    until(&stand, "404").await;
}

#[tokio::test]
async fn dates_and_ages_are_obeyed() {
    let at = Clock::default().now() + HOUR;
    let at = humantime::format_rfc3339_seconds(at).to_string();
    for spec in [json!({"runtime": {"expires": at}}), policy("date", &at), policy("ttl-max-age", "1h")] {
        let (stand, clock) = with(spec).await;
        clock.skip(HOUR - MINUTE);
        assert_eq!(status(&stand).await, "DEPLOYED");
        clock.skip(MINUTE);
        until(&stand, "TERMINATED").await;
    }
}

#[tokio::test]
async fn idleness_counts_from_the_last_use() {
    let (stand, clock) = with(policy("ttl-idle", "10m")).await;
    clock.skip(9 * MINUTE);
    let left = stand.client.get("/v0/sandboxes/box").await.json()["expiresIn"].as_i64().unwrap();
    assert!((1..=60).contains(&left), "to ask about it is not to use it: {left}");
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    clock.skip(9 * MINUTE);
    assert_eq!(status(&stand).await, "DEPLOYED");
    clock.skip(MINUTE);
    until(&stand, "TERMINATED").await;
}

#[tokio::test]
async fn a_request_that_is_open_is_a_use() {
    let (stand, clock) = with(policy("ttl-idle", "10m")).await;
    let client = stand.client.clone();
    let waiting = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    while stand.engine.app("box").arrived() == 0 {
        tokio::task::yield_now().await;
    }
    clock.skip(HOUR);
    let seen = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!((&seen["status"], &seen["expiresIn"]), (&json!("DEPLOYED"), &json!(600)), "{seen}");
    stand.engine.app("box").gate.notify_one();
    assert_eq!(waiting.await.unwrap().text(), "through");
    clock.skip(9 * MINUTE);
    assert_eq!(status(&stand).await, "DEPLOYED");
    clock.skip(HOUR);
    until(&stand, "TERMINATED").await;
}

#[tokio::test]
async fn a_process_that_keeps_it_awake_uses_it() {
    let clock = Clock::default();
    let stand = Stand::with(|settings| {
        settings.clock = clock.clone();
        settings.standby_after = Duration::from_millis(1);
    })
    .await;
    let body = json!({"metadata": {"name": "box"}, "spec": policy("ttl-idle", "10m")}).to_string();
    assert_eq!(stand.client.post("/v0/sandboxes", &body).await.status(), 200);
    let app = stand.engine.app("box");
    app.keep_alive.store(true, SeqCst);
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    let asked = async |before: usize| {
        while app.asked.load(SeqCst) < before + 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for _ in 0..2 {
        asked(app.asked.load(SeqCst)).await;
        clock.skip(9 * MINUTE);
    }
    assert_eq!(status(&stand).await, "DEPLOYED");
    app.keep_alive.store(false, SeqCst);
    while stand.engine.is_awake("box") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    clock.skip(HOUR);
    until(&stand, "TERMINATED").await;
}

#[tokio::test]
async fn a_longer_life_can_be_given_before_the_end() {
    let (stand, clock) = with(json!({"runtime": {"ttl": "5m"}})).await;
    let longer = r#"{"spec":{"runtime":{"ttl":"2h"}}}"#;
    assert_eq!(stand.client.method(http::Method::PUT, "/v0/sandboxes/box", longer).await.status(), 200);
    clock.skip(HOUR);
    assert_eq!(status(&stand).await, "DEPLOYED");
    let none = r#"{"spec":{"runtime":{"ttl":null}}}"#;
    assert_eq!(stand.client.method(http::Method::PUT, "/v0/sandboxes/box", none).await.status(), 200);
    clock.skip(10 * HOUR);
    assert_eq!(status(&stand).await, "DEPLOYED");
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["expiresIn"], Value::Null);
}

#[tokio::test]
async fn what_was_due_while_no_host_ran_ends_with_the_next_one() {
    let (Stand { host, engine, client: _, data }, clock) = with(json!({"runtime": {"ttl": "1h"}})).await;
    host.stop().await;
    clock.skip(2 * HOUR);
    let stand = Stand::on(data, engine, |settings| settings.clock = clock.clone()).await;
    until(&stand, "TERMINATED").await;
}
