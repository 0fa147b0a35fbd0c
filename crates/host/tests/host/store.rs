//! What the next host makes of what it finds in the store.

use std::path::Path;

use http::Method;
use redb::ReadableTable as _;
use reveille_host::{ErrorKind, Host};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::ScriptedEngine;
use crate::{Stand, settings};

const DOCUMENTS: redb::TableDefinition<'_, (&str, &str), &[u8]> = redb::TableDefinition::new("documents");

/// Changes what a host that was stopped has written of a sandbox.
fn rewrite(data: &Path, name: &str, change: impl FnOnce(Option<Value>) -> String) {
    rewrite_one(data, ("sandbox", name), change);
}

/// The same of any document, by its kind and its key.
pub(crate) fn rewrite_one(data: &Path, place: (&str, &str), change: impl FnOnce(Option<Value>) -> String) {
    let file = redb::Database::open(data.join("data/store.redb")).unwrap();
    let transaction = file.begin_write().unwrap();
    {
        let mut documents = transaction.open_table(DOCUMENTS).unwrap();
        let before = documents.get(place).unwrap();
        let before = before.map(|json| serde_json::from_slice(json.value()).unwrap());
        let after = change(before);
        documents.insert(place, after.as_bytes()).unwrap();
    }
    transaction.commit().unwrap();
}

/// Every document of a kind in what a host that was stopped has written.
pub(crate) fn written(data: &Path, kind: &str) -> Vec<String> {
    let file = redb::Database::open(data.join("data/store.redb")).unwrap();
    let documents = file.begin_read().unwrap().open_table(DOCUMENTS).unwrap();
    let all = documents.iter().unwrap().map(Result::unwrap);
    let of_kind = all.filter(|(place, _)| place.value().0 == kind);
    of_kind.map(|(_, text)| String::from_utf8(text.value().to_vec()).unwrap()).collect()
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

#[tokio::test]
async fn what_is_switched_off_stays_so_and_what_was_being_switched_off_is_off_then() {
    for status in ["DEACTIVATED", "DEACTIVATING"] {
        let stand = left_with(status).await;
        while stand.client.get("/v0/sandboxes/box").await.json()["status"] != "DEACTIVATED" {
            tokio::task::yield_now().await;
        }
        assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 404, "{status}");
        let on =
            stand.client.method(http::Method::PUT, "/v0/sandboxes/box", r#"{"spec":{"enabled":true}}"#).await;
        assert_eq!(
            (on.status().as_u16(), &on.json()["status"]),
            (200, &json!("DEPLOYED")),
            "{status}: {on:?}"
        );
        assert!(!stand.data.path().join("data/sandboxes/box/file").exists(), "{status}");
    }
}

/// A data directory as hosts left it that kept each record in a file.
fn of_before(data: &Path, records: &[(&str, &str)], files: &[&str]) {
    let data = data.join("data");
    std::fs::create_dir_all(data.join("records")).unwrap();
    for (name, text) in records {
        std::fs::write(data.join("records").join(name), text).unwrap();
    }
    for name in files {
        std::fs::create_dir_all(data.join("sandboxes").join(name).join("files")).unwrap();
        std::fs::write(data.join("sandboxes").join(name).join("files/kept"), *name).unwrap();
    }
}

fn of_box(label: &str) -> String {
    let metadata = json!({"name": "box", "labels": {"label": label}, "createdAt": "2026-11-24T10:00:00Z"});
    let runtime =
        json!({"image": "blaxel/base-image:latest", "memory": 4096, "envs": [{"name": "A", "value": "b"}]});
    let spec = json!({"enabled": true, "runtime": runtime, "novel": 1});
    json!({"version": 1, "sandbox": {"metadata": metadata, "spec": spec, "status": "DEPLOYED"}}).to_string()
}

fn kept(data: &Path, place: &str) -> Option<String> {
    std::fs::read_to_string(data.join("data").join(place).join("files/kept")).ok()
}

/// The next host on the same directory.
async fn after(Stand { host, engine, client: _, data }: Stand) -> Stand {
    host.stop().await;
    Stand::on(data, engine, |_| {}).await
}

/// A host on a directory that is there already.
async fn on(data: TempDir) -> Stand {
    let engine = ScriptedEngine::new(data.path());
    Stand::on(data, engine, |_| {}).await
}

#[tokio::test]
async fn a_data_directory_of_before_the_store_starts_with_its_sandboxes() {
    let data = tempfile::tempdir().unwrap();
    of_before(data.path(), &[("box.json", &of_box("old")), (".box.json.new", "{")], &["box"]);
    let mut stand = on(data).await;
    for start in 0..3 {
        let record = stand.client.get("/v0/sandboxes/box").await.json();
        assert_eq!(
            (&record["status"], &record["metadata"]["labels"]["label"]),
            (&json!("DEPLOYED"), &json!("old"))
        );
        assert_eq!(record["spec"]["novel"], 1, "start {start}: {record}");
        assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
        assert_eq!(kept(stand.data.path(), "sandboxes/box").unwrap(), "box");
        assert!(!stand.data.path().join("data/records").exists());
        assert!(stand.data.path().join("data/records.before-store-1/box.json").exists());
        stand = after(stand).await;
    }
    assert_eq!(stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await.status(), 200);
    let stand = after(stand).await;
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.status(), 404, "what was deleted stays so");
}

#[tokio::test]
async fn records_of_before_that_cannot_be_read_keep_their_names_and_files() {
    let data = tempfile::tempdir().unwrap();
    let later = r#"{"version":2,"sandbox":{"metadata":{"name":"later"},"spec":{}}}"#;
    let records = [("cut.json", "{\"version\":1,"), ("later.json", later), ("other.json", &of_box("other"))];
    let records = [&records[..], &[("bytes.json", "\u{0}\u{fffd}")]].concat();
    of_before(data.path(), &records, &["cut", "later", "other", "bytes"]);
    let mut stand = on(data).await;
    for start in 0..2 {
        assert_eq!(stand.host.warnings().len(), 4, "start {start}: {:?}", stand.host.warnings());
        for name in ["cut", "later", "other", "bytes"] {
            let taken =
                stand.client.post("/v0/sandboxes", &json!({"metadata": {"name": name}}).to_string()).await;
            assert_eq!(taken.status(), 409, "{name}: {taken:?}");
            assert_eq!(kept(stand.data.path(), &format!("sandboxes/{name}")).unwrap(), name);
        }
        stand = after(stand).await;
    }
    let aside = stand.data.path().join("data/records.before-store-1/later.json");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), later);
}

#[tokio::test]
async fn files_of_before_that_belong_to_no_record_are_nobodys() {
    let data = tempfile::tempdir().unwrap();
    of_before(data.path(), &[], &["ghost"]);
    let stand = on(data).await;
    let made = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"ghost"}}"#).await;
    assert_eq!(made.status(), 200);
    assert_eq!(kept(stand.data.path(), "sandboxes/ghost"), None);
    assert_eq!(kept(stand.data.path(), "records.before-store-1/files/ghost").unwrap(), "ghost");
}

#[tokio::test]
async fn records_that_a_host_of_before_wrote_beside_the_store_do_not_win_over_it() {
    let Stand { host, client, data, .. } = Stand::with_box(|_| {}).await;
    client.method(Method::PUT, "/v0/sandboxes/box", r#"{"metadata":{"labels":{"label":"new"}}}"#).await;
    host.stop().await;
    let other = of_box("old").replace("\"box\"", "\"other\"");
    of_before(data.path(), &[("box.json", &of_box("old")), ("other.json", &other)], &["box", "other"]);
    let stand = on(data).await;
    for (name, label) in [("box", "new"), ("other", "old")] {
        let record = stand.client.get(&format!("/v0/sandboxes/{name}")).await.json();
        assert_eq!(record["metadata"]["labels"]["label"], label);
    }
    assert!(stand.data.path().join("data/records.before-store-1/box.json").exists());
}

#[tokio::test]
async fn where_records_of_before_cannot_be_taken_over_the_host_says_so_and_leaves_them() {
    let data = tempfile::tempdir().unwrap();
    of_before(data.path(), &[("box.json", &of_box("old"))], &["box"]);
    // A directory where the record's file should be cannot be read, whoever asks.
    std::fs::create_dir(data.path().join("data/records/odd.json")).unwrap();
    let engine = ScriptedEngine::new(data.path());
    let error = Host::start_on(settings(&data), engine.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("records"), "{error}");
    assert!(data.path().join("data/records/box.json").exists());
    std::fs::remove_dir(data.path().join("data/records/odd.json")).unwrap();
    let stand = Stand::on(data, engine, |_| {}).await;
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.status(), 200);
}
