//! What changes of a sandbox while it runs.

use std::time::Duration;

use http::Method;
use reveille_host::egress::Domains;
use reveille_host::engine::Network;
use serde_json::{Value, json};

use crate::Stand;
use crate::client::Answer;
use crate::waking::until;

const BOX: &str = "/v0/sandboxes/box";

async fn put(stand: &Stand, body: Value) -> Answer {
    stand.client.method(Method::PUT, BOX, &body.to_string()).await
}

#[tokio::test]
async fn another_network_reaches_a_sandbox_that_runs_and_one_that_starts_later() {
    let stand = Stand::with_box(|_| {}).await;
    assert_eq!(stand.engine.network("box"), Network::Proxied(Domains::all().into()));
    let only = |name: &str| Network::Proxied(Domains::new([name.parse().unwrap()], []).into());
    let said = put(&stand, json!({"spec": {"network": {"allowedDomains": ["pypi.org"]}}})).await;
    assert_eq!(said.status(), 200, "{said:?}");
    assert_eq!(stand.engine.network("box"), only("pypi.org"));
    assert_eq!(put(&stand, json!({"spec": {"network": {"egress": {"mode": "none"}}}})).await.status(), 200);
    assert_eq!(stand.engine.network("box"), Network::None);
    // One that ended by itself starts with what was said last.
    stand.engine.end_silently("box");
    assert_eq!(
        put(&stand, json!({"spec": {"network": {"allowedDomains": ["crates.io"]}}})).await.status(),
        200
    );
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    assert_eq!(stand.engine.network("box"), only("crates.io"));
    assert_eq!(put(&stand, json!({"spec": {"network": null}})).await.status(), 200);
    assert_eq!(stand.engine.network("box"), Network::Proxied(Domains::all().into()));
}

#[tokio::test]
async fn whoever_puts_the_whole_record_back_without_its_network_clears_it() {
    let stand = Stand::with_box(|_| {}).await;
    put(&stand, json!({"spec": {"network": {"egress": {"mode": "none"}}}})).await;
    let mut whole = stand.client.get(BOX).await.json();
    assert_eq!(put(&stand, whole.clone()).await.status(), 200);
    assert_eq!(stand.engine.network("box"), Network::None, "what is put back as it was changes nothing");
    whole["spec"].as_object_mut().unwrap().remove("network");
    let cleared = put(&stand, whole).await;
    assert_eq!((cleared.status().as_u16(), cleared.json()["spec"].get("network")), (200, None));
    assert_eq!(stand.engine.network("box"), Network::Proxied(Domains::all().into()));
}

#[tokio::test]
async fn a_network_that_cannot_be_had_while_it_runs_is_refused_and_nothing_has_changed() {
    let stand = Stand::with_box(|_| {}).await;
    let refused = put(&stand, json!({"spec": {"network": {"egress": {"mode": "host"}}}})).await;
    assert_eq!(refused.status(), 400, "{refused:?}");
    assert!(refused.text().contains("not while it runs"), "{refused:?}");
    assert_eq!(stand.engine.network("box"), Network::Proxied(Domains::all().into()));
    assert_eq!(stand.client.get(BOX).await.json()["spec"]["network"], Value::Null);
    let wrong = put(&stand, json!({"spec": {"network": {"allowedDomains": ["no name"]}}})).await;
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn a_sandbox_has_a_standby_time_of_its_own_which_changes_at_once() {
    let stand = Stand::with(|settings| settings.standby_after = Duration::from_millis(30)).await;
    let labelled = |time: &str| json!({"metadata": {"name": "box", "labels": {"standby-after": time}}});
    let made = stand.client.post("/v0/sandboxes", &labelled("never").to_string()).await;
    assert_eq!(made.status(), 200, "{made:?}");
    stand.while_another_sleeps(3).await;
    assert!(stand.engine.is_awake("box"), "never is never");
    // By hand it sleeps all the same.
    assert_eq!(stand.client.post("/v0/sandboxes/box/standby", "").await.json()["state"], "STANDBY");
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    assert_eq!(put(&stand, json!({"metadata": {"labels": null}})).await.status(), 200);
    until(|| !stand.engine.is_awake("box")).await;
    for wrong in ["soon", "0s", "15"] {
        assert_eq!(
            put(&stand, json!({"metadata": {"labels": {"standby-after": wrong}}})).await.status(),
            400
        );
    }
}
