//! Many who change one sandbox at the same time: everything has one order.

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::Stand;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_updates_at_once_none_fails_and_none_is_lost() {
    let stand = Stand::with_box(|_| {}).await;
    // Each names a key of its own: what it does not name stays.
    let bodies: Vec<_> = (0..240).map(|n| json!({"spec": {format!("from{n}"): n}}).to_string()).collect();
    let answers =
        join_all(bodies.iter().map(|body| stand.client.method(Method::PUT, "/v0/sandboxes/box", body))).await;
    for answer in &answers {
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
    let seen = stand.client.get("/v0/sandboxes/box").await.json();
    for number in 0..240 {
        assert_eq!(seen["spec"][format!("from{number}")], number);
    }
    let Stand { host, engine, client: _, data } = stand;
    host.stop().await;
    let stand = Stand::on(data, engine, |_| {}).await;
    let after = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!(after["spec"], seen["spec"], "and all of it is on disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_while_others_write_sees_a_whole_record() {
    let stand = Stand::with_box(|_| {}).await;
    let large = "x".repeat(50_000);
    let body = |n: usize| {
        let n = n.to_string();
        json!({"metadata": {"labels": {"a": n, "b": n}}, "spec": {"pad": large}}).to_string()
    };
    let bodies: Vec<_> = (0..40).map(body).collect();
    let puts =
        join_all(bodies.iter().map(|body| stand.client.method(Method::PUT, "/v0/sandboxes/box", body)));
    let gets = join_all((0..200).map(|_| stand.client.get("/v0/sandboxes/box")));
    let (puts, gets) = tokio::join!(puts, gets);
    assert!(puts.iter().all(|answer| answer.status() == 200));
    for seen in gets {
        let labels = &seen.json()["metadata"]["labels"];
        assert_eq!(labels["a"], labels["b"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_beside_standby_and_update_leaves_no_ghost() {
    for _ in 0..30 {
        let stand = Stand::with_box(|_| {}).await;
        let (deleted, _, _, _) = tokio::join!(
            stand.client.method(Method::DELETE, "/v0/sandboxes/box", ""),
            stand.client.post("/v0/sandboxes/box/standby", ""),
            stand.client.method(Method::PUT, "/v0/sandboxes/box", r#"{"metadata":{"labels":{"a":"b"}}}"#),
            stand.client.get("/local/sandboxes/box/x"),
        );
        assert_eq!(deleted.status(), 200, "{deleted:?}");
        assert_eq!(stand.client.get("/v0/sandboxes/box").await.status(), 404);
        let Stand { host, engine, client: _, data } = stand;
        assert!(!engine.has("box"));
        host.stop().await;
        let stand = Stand::on(data, engine, |_| {}).await;
        assert_eq!(stand.client.get("/v0/sandboxes/box").await.status(), 404, "nor does it come back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_creates_and_deletes_at_once_the_last_word_counts() {
    let stand = Stand::new().await;
    let body = r#"{"metadata":{"name":"box"}}"#;
    for _ in 0..20 {
        let create = || stand.client.post("/v0/sandboxes?createIfNotExist=true", body);
        let delete = || stand.client.method(Method::DELETE, "/v0/sandboxes/box", "");
        let (a, _, b, _, c) = tokio::join!(create(), delete(), create(), delete(), create());
        for created in [a, b, c] {
            assert_eq!(created.status(), 200, "{created:?}");
        }
        let there = stand.client.get("/v0/sandboxes/box").await.status() == 200;
        assert_eq!(there, stand.engine.has("box"), "the record and the engine agree");
        assert_eq!(there, stand.client.get("/local/sandboxes/box/x").await.status() == 200);
        let gone = delete().await.status();
        assert!(gone == if there { 200 } else { 404 });
    }
}
