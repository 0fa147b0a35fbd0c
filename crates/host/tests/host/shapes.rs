//! What is refused, and the shape in which it is said.

use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::Stand;
use crate::client::{Answer, request};

fn assert_shape(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status, "{answer:?}");
    let body = answer.json();
    // Of a sandbox that is not made, the code is the error's name.
    let number = body.get("status_code").unwrap_or(&body["code"]);
    assert_eq!(*number, status, "{body}");
    assert!(body["error"].is_string() && body["message"].is_string(), "{body}");
}

#[tokio::test]
async fn numbers_names_and_spans_that_cannot_be_are_refused() {
    let stand = Stand::new().await;
    let runtime = |runtime: serde_json::Value| json!({"spec": {"runtime": runtime}});
    for body in [
        runtime(json!({"ttl": "abc"})),
        runtime(json!({"ttl": "1m"})),
        runtime(json!({"ttl": ""})),
        runtime(json!({"ttl": 5})),
        runtime(json!({"expires": "tomorrow"})),
        runtime(json!({"memory": 10})),
        runtime(json!({"memory": 0})),
        runtime(json!({"memory": -1})),
        runtime(json!({"memory": 1.5})),
        runtime(json!({"memory": 18_446_744_073_709_551_615_u64})),
        runtime(json!({"memory": "4096"})),
        runtime(json!({"ports": [{"target": 0}]})),
        runtime(json!({"ports": [{"target": 65536}]})),
        runtime(json!({"image": "two words"})),
        runtime(json!({"extraArgs": {"turbo": "enabled"}})),
        runtime(json!({"extraArgs": {"tun": "yes"}})),
        runtime(json!({"extraArgs": ["tun"]})),
        runtime(json!({"extraArgs": {"nfs": "enabled", "iptables": "enabled"}})),
        runtime(json!({"standbyGracePeriodSeconds": 301})),
        runtime(json!({"standbyGracePeriodSeconds": -1})),
        runtime(json!({"standbyGracePeriodSeconds": "10"})),
        json!({"metadata": {"externalId": "two words"}}),
        json!({"metadata": {"externalId": ""}}),
        json!({"metadata": {"externalId": "x".repeat(65)}}),
        json!({"metadata": {"displayName": "x".repeat(64)}}),
        json!({"metadata": {"name": "Upper"}}),
        json!({"metadata": {"name": "a b"}}),
        json!({"metadata": {"name": "-a"}}),
        json!({"metadata": {"name": "x".repeat(50)}}),
        json!({"metadata": {"name": "by-external-id"}}),
        json!({"spec": {"lifecycle": {"expirationPolicies": [{"type": "never", "value": "1h"}]}}}),
        json!({"spec": {"lifecycle": {"expirationPolicies": [
            {"type": "ttl-idle", "value": "5m"}, {"type": "ttl-idle", "value": "10m"}
        ]}}}),
        json!({"spec": {"volumes": [{"name": "v", "mountPath": "relative"}]}}),
        json!({"spec": {"volumes": [{"name": "v", "mountPath": "/"}]}}),
        json!([]),
        json!("text"),
    ] {
        let refused = stand.client.post("/v0/sandboxes", &body.to_string()).await;
        assert_shape(&refused, 400);
    }
    assert_eq!(stand.client.get("/v0/sandboxes").await.json()["meta"]["total"], 0);
    let good = json!({"metadata": {"name": "x".repeat(49), "externalId": "My-id-1"},
        "spec": {"runtime": {"ttl": "5m", "memory": 2048, "extraArgs": {"tun": "enabled"}}}});
    assert_eq!(stand.client.post("/v0/sandboxes", &good.to_string()).await.status(), 200);
    let found = stand.client.get("/v0/sandboxes/by-external-id/My-id-1").await;
    assert_eq!(found.status(), 200);
}

#[tokio::test]
async fn every_error_has_the_platforms_shape() {
    let stand = Stand::with_box(|_| {}).await;
    let get = |path: &'static str| stand.client.get(path);
    assert_shape(&get("/v0/sandboxes?limit=many").await, 400);
    assert_shape(&get("/v0/sandboxes?sort=size").await, 400);
    assert_shape(&get("/v0/sandboxes?cursor=mine").await, 400);
    assert_shape(&get("/v0/sandboxes/box?show_secrets=maybe").await, 400);
    assert_shape(&get("/v0/sandboxes/%FF").await, 400);
    assert_shape(&get("/v0/sandboxes/none").await, 404);
    assert_shape(&get("/v0/none").await, 404);
    assert_shape(&stand.client.method(Method::PATCH, "/v0/sandboxes/box", "").await, 405);
    assert_shape(&stand.client.post("/v0/sandboxes?createIfNotExist=perhaps", "{}").await, 400);
    assert_shape(&stand.client.post("/v0/sandboxes", "{").await, 400);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    assert_shape(&stand.client.post("/v0/sandboxes", &large).await, 413);
    for timeout in ["0", "51", "-1", "1.5", "soon", "99999999999999999999"] {
        let asked = request(Method::POST, "/v0/sandboxes").header("x-blaxel-creation-timeout", timeout);
        assert_shape(&stand.client.send(asked.body(Full::default()).unwrap()).await.unwrap(), 400);
    }
}

#[tokio::test]
async fn a_limit_that_no_page_has_is_the_nearest_that_one_has() {
    let stand = Stand::with_box(|_| {}).await;
    for limit in ["0", "-5", "9223372036854775807"] {
        let seen = stand.client.get(&format!("/v0/sandboxes?limit={limit}")).await;
        assert_eq!((seen.status().as_u16(), seen.json()["data"].as_array().unwrap().len()), (200, 1));
    }
}

#[tokio::test]
async fn a_new_sandbox_is_filled_as_the_platform_fills_it() {
    let stand = Stand::with_box(|_| {}).await;
    let seen = stand.client.get("/v0/sandboxes/box").await.json();
    let runtime = &seen["spec"]["runtime"];
    assert_eq!((&runtime["image"], &runtime["memory"]), (&json!("blaxel/base-image:latest"), &json!(4096)));
    assert_eq!((&seen["spec"]["region"], &seen["spec"]["enabled"]), (&json!("us-pdx-1"), &json!(true)));
    let statuses: Vec<_> = seen["events"].as_array().unwrap().iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses, ["DEPLOYING", "DEPLOYED"]);
}

#[tokio::test]
async fn features_are_answered() {
    let stand = Stand::new().await;
    assert_eq!(stand.client.get("/v0/features").await.json(), json!({"features": {"generation_mk31": true}}));
    assert_eq!(stand.client.get("/v0/features/generation_mk31").await.json()["enabled"], true);
    let one = stand.client.get("/v0/features/snapshots").await.json();
    assert_eq!((&one["featureKey"], &one["enabled"]), (&json!("snapshots"), &json!(false)));
}

#[tokio::test]
async fn a_creation_that_takes_too_long_is_taken_back() {
    let stand = Stand::new().await;
    stand.engine.script(|script| script.gated_wake = true);
    let body = r#"{"metadata":{"name":"box"}}"#;
    let asked = request(Method::POST, "/v0/sandboxes").header("x-blaxel-creation-timeout", "1");
    let late = stand.client.send(asked.body(Full::from(body)).unwrap()).await.unwrap();
    assert_shape(&late, 408);
    assert_eq!(late.json()["error"], "CREATION_TIMEOUT");
    stand.engine.script(|script| script.gated_wake = false);
    stand.engine.go.notify_one();
    let again = stand.client.post("/v0/sandboxes", body).await;
    assert_eq!(again.status(), 200, "{again:?}");
}

#[tokio::test]
async fn another_environment_starts_the_sandbox_anew() {
    let stand = Stand::with_box(|_| {}).await;
    let before = stand.engine.wakes();
    let labels = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    assert_eq!(stand.client.method(Method::PUT, "/v0/sandboxes/box", labels).await.status(), 200);
    assert_eq!(stand.engine.wakes(), before);
    let file = stand.data.path().join("data/sandboxes/box/file");
    std::fs::write(&file, "old").unwrap();
    let envs = r#"{"spec":{"runtime":{"envs":[{"name":"A","value":"1"}]}}}"#;
    let updated = stand.client.method(Method::PUT, "/v0/sandboxes/box", envs).await;
    assert_eq!((updated.status().as_u16(), &updated.json()["status"]), (200, &json!("DEPLOYED")));
    assert_eq!(updated.json()["metadata"]["labels"]["a"], "b", "what is not named stays");
    assert_eq!((stand.engine.wakes(), file.exists()), (before + 1, false));
    assert_eq!(stand.engine.plan("box").environment, [("A".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn another_image_starts_the_sandbox_anew_and_one_that_is_not_there_leaves_it() {
    let stand = Stand::with_box(|_| {}).await;
    let before = stand.engine.wakes();
    let file = stand.data.path().join("data/sandboxes/box/file");
    std::fs::write(&file, "old").unwrap();
    let update = async |image: &str| {
        let body = json!({"spec": {"runtime": {"image": image}}}).to_string();
        stand.client.method(Method::PUT, "/v0/sandboxes/box", &body).await
    };
    let refused = update("mine:1").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.json()["error"]),
        (400, &json!("IMAGE_NOT_FOUND")),
        "{refused:?}"
    );
    assert_eq!((stand.engine.wakes(), file.exists()), (before, true));
    let updated = update("blaxel/node:latest").await;
    assert_eq!(updated.json()["spec"]["runtime"]["image"], "blaxel/node:latest", "{updated:?}");
    assert_eq!((stand.engine.wakes(), file.exists()), (before + 1, false));
    assert_eq!(update("blaxel/node:latest").await.status(), 200);
    assert_eq!(stand.engine.wakes(), before + 1, "it is the same one");
}

#[tokio::test]
async fn what_has_failed_is_replaced_by_who_creates_it() {
    let stand = Stand::with_box(|_| {}).await;
    stand.engine.script(|script| script.failing_wakes = 1);
    let envs = r#"{"spec":{"runtime":{"envs":[{"name":"A","value":"1"}]}}}"#;
    assert_shape(&stand.client.method(Method::PUT, "/v0/sandboxes/box", envs).await, 500);
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["status"], "FAILED");
    let body = r#"{"metadata":{"name":"box"}}"#;
    let again = stand.client.post("/v0/sandboxes?createIfNotExist=true", body).await;
    assert_eq!((again.status().as_u16(), &again.json()["status"]), (200, &json!("DEPLOYED")));
}

/// Puts `spec.enabled` of `box`, and says what the record says then.
async fn enable(stand: &Stand, enabled: bool) -> serde_json::Value {
    let body = json!({"spec": {"enabled": enabled}}).to_string();
    let answer = stand.client.method(Method::PUT, "/v0/sandboxes/box", &body).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn what_is_switched_off_is_as_new_when_it_is_switched_on() {
    let stand = Stand::with_box(|_| {}).await;
    let preview = r#"{"metadata":{"name":"web"},"spec":{"port":3000,"public":true}}"#;
    assert_eq!(stand.client.post("/v0/sandboxes/box/previews", preview).await.status(), 200);
    let (before, wakes) = (stand.client.get("/v0/sandboxes/box").await.json(), stand.engine.wakes());
    let file = stand.data.path().join("data/sandboxes/box/file");
    std::fs::write(&file, "old").unwrap();
    let off = enable(&stand, false).await;
    assert_eq!((&off["status"], &off["spec"]["enabled"]), (&json!("DEACTIVATED"), &json!(false)));
    assert!(off.get("state").is_none(), "it neither runs nor sleeps: {off}");
    assert!(!stand.engine.has("box"));
    assert_eq!(enable(&stand, false).await["events"], off["events"], "it is off already");
    let on = enable(&stand, true).await;
    assert_eq!((&on["status"], &on["state"]), (&json!("DEPLOYED"), &json!("RUNNING")));
    assert_eq!(on["metadata"]["createdAt"], before["metadata"]["createdAt"], "it is the same one");
    assert_eq!((stand.engine.wakes(), file.exists()), (wakes + 1, false));
    assert_eq!(stand.client.get("/v0/sandboxes/box/previews/web").await.status(), 200);
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
}

#[tokio::test]
async fn what_is_switched_off_is_not_served_and_keeps_its_name() {
    let stand = Stand::with_box(|_| {}).await;
    enable(&stand, false).await;
    let wakes = stand.engine.wakes();
    let asked = stand.client.get("/local/sandboxes/box/x").await;
    assert_eq!((asked.status().as_u16(), asked.code().as_str()), (404, "WORKLOAD_NOT_FOUND"));
    for (path, body) in [
        ("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#),
        ("/v0/sandboxes/box/standby", ""),
        ("/v0/sandboxes/box/resume", ""),
        ("/v0/sandboxes/box/snapshots", "{}"),
        ("/v0/sandboxes/box/fork", r#"{"targetName":"other"}"#),
    ] {
        assert_shape(&stand.client.post(path, body).await, 409);
    }
    let labels = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    let changed = stand.client.method(Method::PUT, "/v0/sandboxes/box", labels).await.json();
    assert_eq!(
        (&changed["status"], &changed["metadata"]["labels"]["a"]),
        (&json!("DEACTIVATED"), &json!("b"))
    );
    assert_eq!(stand.engine.wakes(), wakes);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await.status(), 200);
    let made =
        stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"},"spec":{"enabled":false}}"#).await;
    assert_eq!((made.status().as_u16(), &made.json()["status"]), (200, &json!("DEACTIVATED")), "{made:?}");
    assert_eq!(stand.engine.wakes(), wakes);
}

#[tokio::test]
async fn a_volume_stays_attached_to_what_is_switched_off() {
    let stand = Stand::new().await;
    assert_eq!(
        stand.client.post("/v0/volumes", r#"{"metadata":{"name":"v"},"spec":{"size":1}}"#).await.status(),
        200
    );
    let attached = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"volumes": [{"name": "v", "mountPath": "/v"}]}})
            .to_string()
    };
    assert_eq!(stand.client.post("/v0/sandboxes", &attached("box")).await.status(), 200);
    enable(&stand, false).await;
    assert_shape(&stand.client.post("/v0/sandboxes", &attached("other")).await, 409);
    enable(&stand, true).await;
    assert_eq!(stand.engine.plan("box").attachments.len(), 1);
}

#[tokio::test]
async fn what_has_failed_is_tried_again_by_who_switches_it_off_and_on() {
    let stand = Stand::with_box(|_| {}).await;
    stand.engine.script(|script| script.failing_wakes = 1);
    let envs = r#"{"spec":{"runtime":{"envs":[{"name":"A","value":"1"}]}}}"#;
    assert_shape(&stand.client.method(Method::PUT, "/v0/sandboxes/box", envs).await, 500);
    assert_eq!(enable(&stand, false).await["status"], "DEACTIVATED");
    assert_eq!(enable(&stand, true).await["status"], "DEPLOYED");
}
