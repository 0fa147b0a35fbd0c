//! What a sandbox keeps, and what is copied of it.

use std::time::Duration;

use serde_json::json;

use crate::stand::Stand;

pub(crate) async fn files_survive_a_restart() {
    let stand = Stand::with_box(|_| {}).await;
    let write = json!({"command": "echo kept > file; pwd", "waitForCompletion": true});
    assert_eq!(stand.post("/process", &write).await.json()["exitCode"], 0);
    let stand = stand.restarted().await;
    assert_eq!(stand.control("GET", "/sandboxes/box", "").await.json()["state"], "STANDBY");
    let read = json!({"command": "cat file", "waitForCompletion": true});
    let read = stand.post("/process", &read).await.json();
    assert_eq!((&read["exitCode"], &read["stdout"]), (&json!(0), &json!("kept\n")), "{read}");
}

pub(crate) async fn a_mounted_drive_stays() {
    let stand = Stand::with_box(|_| {}).await;
    let mount = json!({"driveName": "data", "mountPath": "/mnt/data", "drivePath": "/"});
    let mounted = stand.post("/drives/mount", &mount).await;
    if mounted.status != 200 {
        return eprintln!("skipped: nothing can be mounted here ({mounted:?})");
    }
    let delete = || stand.control("DELETE", "/drives/data", "");
    let refused = delete().await;
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("DRIVE_IN_USE")));
    assert_eq!(stand.control("POST", "/sandboxes/box/standby", "").await.status, 200);
    assert_eq!(delete().await.status, 409);
    assert_eq!(stand.control("GET", "/sandboxes/box", "").await.json()["state"], "STANDBY", "nobody woke it");
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    while delete().await.status == 409 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stand.control("GET", "/drives/data", "").await.status, 404);
}

/// What a command line in a sandbox says.
pub(crate) async fn says(stand: &Stand, sandbox: &str, line: &str) -> String {
    let command = json!({"command": line, "waitForCompletion": true}).to_string();
    let said = stand.ask("POST", &format!("/local/sandboxes/{sandbox}/process"), command).await.json();
    assert_eq!(said["exitCode"], 0, "{line}: {said}");
    said["stdout"].as_str().unwrap().trim().to_owned()
}

pub(crate) async fn a_snapshot_outlives_its_sandbox() {
    let stand = Stand::with_box(|_| {}).await;
    says(&stand, "box", "echo one > file; ln -s file link; mkfifo pipe").await;
    let taken = stand.control("POST", "/sandboxes/box/snapshots", r#"{"name":"first"}"#).await;
    assert_eq!((taken.status, &taken.json()["status"]), (200, &json!("ready")), "{taken:?}");
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(stand.control("POST", "/sandboxes/box/snapshots", r#"{"name":"first"}"#).await.status, 409);
    let running = json!({"command": "sleep 1000", "name": "running"});
    assert_eq!(stand.post("/process", &running).await.status, 200);
    says(&stand, "box", "echo two > file; touch later").await;

    let restored = stand.control("POST", "/sandboxes/box/snapshots/first/restore", "").await;
    assert_eq!((restored.status, &restored.json()["snapshotId"]), (200, &json!(id)), "{restored:?}");
    assert_eq!(says(&stand, "box", "cat link; ls later 2>/dev/null | wc -l").await, "one\n0");
    assert_eq!(stand.get("/process/running").await.status, 404, "what ran is torn down");

    let stand = stand.restarted().await;
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    let kept = stand.control("GET", &format!("/snapshots/{id}"), "").await.json();
    assert_eq!(
        kept["spec"]["image"], "blaxel/base-image:latest",
        "what it needs to run outlives its source: {kept}"
    );
    assert_eq!((&kept["source"]["name"], &kept["source"]["deleted"]), (&json!("box"), &json!(true)));
    let forked = stand.control("POST", &format!("/snapshots/{id}/fork"), r#"{"targetName":"again"}"#).await;
    assert_eq!((forked.status, &forked.json()["snapshotId"]), (200, &json!(id)), "{forked:?}");
    assert_eq!(says(&stand, "again", "cat file").await, "one");
    assert_eq!(stand.control("DELETE", &format!("/snapshots/{id}"), "").await.status, 204);
    assert_eq!(stand.control("GET", &format!("/snapshots/{id}"), "").await.status, 404);
    assert_eq!(std::fs::read_dir(stand.data("snapshots")).unwrap().count(), 0);
    assert_eq!(says(&stand, "again", "cat file").await, "one");
}

pub(crate) async fn a_fork_starts_anew() {
    let stand = Stand::with_box(|_| {}).await;
    let envs = r#"{"spec":{"runtime":{"envs":[{"name":"A","value":"1"},{"name":"B","value":"2"}]}}}"#;
    assert_eq!(stand.control("PUT", "/sandboxes/box", envs).await.status, 200);
    says(&stand, "box", "echo text > file").await;
    let running = json!({"command": "sleep 1000", "name": "running"});
    assert_eq!(stand.post("/process", &running).await.status, 200);
    let fork = r#"{"targetName":"copy","targetType":"sandbox","envs":[{"name":"B","value":"3"}]}"#;
    let forked = stand.control("POST", "/sandboxes/box/fork", fork).await;
    assert_eq!((forked.status, &forked.json()["type"]), (200, &json!("sandbox")), "{forked:?}");
    assert_eq!(forked.json()["reveille"]["copied"], "files", "it says that processes are not");
    assert_eq!(forked.json()["snapshotId"], "", "none is left behind");
    assert_eq!(says(&stand, "copy", "cat file; echo $A $B").await, "text\n1 3");
    says(&stand, "copy", "echo other > file").await;
    assert_eq!(says(&stand, "box", "cat file").await, "text");
    assert_eq!(stand.get("/process/running").await.json()["status"], "running", "the source goes on");
    assert_eq!(stand.control("POST", "/sandboxes/box/fork", fork).await.status, 409);
    let application = r#"{"targetName":"app","targetType":"application"}"#;
    assert_eq!(stand.control("POST", "/sandboxes/box/fork", application).await.status, 501);
    assert_eq!(stand.control("POST", "/sandboxes/none/fork", fork).await.status, 404);
    assert_eq!(stand.control("GET", "/snapshots", "").await.json()["meta"]["total"], 0);
}
