//! What the next host makes of what it finds in the store.

use std::path::Path;

use redb::ReadableTable as _;
use serde_json::Value;

use crate::Stand;

const DOCUMENTS: redb::TableDefinition<'_, (&str, &str), &[u8]> = redb::TableDefinition::new("documents");

/// Changes what a host that was stopped has written of a sandbox.
fn rewrite(data: &Path, name: &str, change: impl FnOnce(Option<Value>) -> String) {
    let file = redb::Database::open(data.join("data/store.redb")).unwrap();
    let transaction = file.begin_write().unwrap();
    {
        let mut documents = transaction.open_table(DOCUMENTS).unwrap();
        let before = documents.get(("sandbox", name)).unwrap();
        let before = before.map(|json| serde_json::from_slice(json.value()).unwrap());
        let after = change(before);
        documents.insert(("sandbox", name), after.as_bytes()).unwrap();
    }
    transaction.commit().unwrap();
}

fn with_status(status: &str) -> impl FnOnce(Option<Value>) -> String {
    let status = Value::from(status);
    move |record| {
        let mut record = record.unwrap();
        record["sandbox"]["status"] = status;
        record.to_string()
    }
}

/// A stand whose sandbox `box` an earlier host left with this status.
async fn left_with(status: &str) -> Stand {
    let Stand { host, engine, client: _, data } = Stand::with_box(|_| {}).await;
    host.stop().await;
    rewrite(data.path(), "box", with_status(status));
    std::fs::write(data.path().join("data/sandboxes/box/file"), "old").unwrap();
    Stand::on(data, engine, |_| {}).await
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_its_name_and_is_told_of() {
    let Stand { host, engine, client: _, data } = Stand::new().await;
    host.stop().await;
    rewrite(data.path(), "box", |_| "{".to_owned());
    let Stand { host, engine, client, data } = Stand::on(data, engine, |_| {}).await;
    assert!(host.warnings()[0].contains("\"box\""), "{:?}", host.warnings());
    assert_eq!(client.get("/v0/sandboxes/box").await.status(), 404);
    let taken = client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    assert_eq!(taken.status(), 409);
    assert!(taken.json()["message"].as_str().unwrap().contains("cannot be read"), "{taken:?}");
    host.stop().await;
    let stand = Stand::on(data, engine, |_| {}).await;
    assert_eq!(stand.host.warnings().len(), 1, "it is left as it is");
}

#[tokio::test]
async fn a_delete_that_was_cut_off_is_finished_by_the_next_host() {
    let stand = left_with("DELETING").await;
    let name = r#"{"metadata":{"name":"box"}}"#;
    assert_eq!(
        stand.client.post("/v0/sandboxes", name).await.status(),
        200,
        "who wants the name waits for it"
    );
    assert_eq!(stand.client.get("/v0/sandboxes").await.json()["meta"]["total"], 1);
}

#[tokio::test]
async fn a_creation_that_was_cut_off_is_there_and_nobody_finds_files_in_it() {
    let stand = left_with("DEPLOYING").await;
    while stand.client.get("/v0/sandboxes/box").await.json()["status"] != "DEPLOYED" {
        tokio::task::yield_now().await;
    }
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    assert!(stand.engine.has("box"));
}

#[tokio::test]
async fn what_has_ended_stays_so() {
    let stand = left_with("TERMINATED").await;
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["status"], "TERMINATED");
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 404);
    assert!(!stand.engine.has("box"));
}
