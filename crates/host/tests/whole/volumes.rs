//! Volumes in real sandboxes.

use serde_json::{Value, json};

use crate::stand::Stand;

/// Runs a command in a sandbox and gives what it wrote, both ways.
async fn run(stand: &Stand, sandbox: &str, command: &str) -> String {
    let body = json!({"command": command, "waitForCompletion": true}).to_string();
    let path = format!("/local/sandboxes/{sandbox}/process");
    let ended = stand.ask("POST", &path, body).await.json();
    [&ended["stdout"], &ended["stderr"]].map(|text| text.as_str().unwrap_or_default().to_owned()).concat()
}

async fn create(stand: &Stand, name: &str, volumes: Value) -> u16 {
    let body = json!({"metadata": {"name": name}, "spec": {"volumes": volumes}}).to_string();
    stand.control("POST", "/sandboxes", &body).await.status
}

async fn attached_to(stand: &Stand, volume: &str) -> Value {
    stand.control("GET", &format!("/volumes/{volume}"), "").await.json()["state"]["attachedTo"].clone()
}

pub(crate) async fn a_volume_outlives_its_sandbox_and_is_in_one_at_a_time() {
    let stand = Stand::with_box(|_| {}).await;
    let place = stand.data("inside");
    let place = place.to_str().unwrap();
    let volume = |read_only: bool| json!([{"name": "v", "mountPath": place, "readOnly": read_only}]);
    assert_eq!(create(&stand, "early", volume(false)).await, 400, "there is none yet");
    assert_eq!(stand.control("POST", "/volumes", r#"{"metadata":{"name":"v"}}"#).await.status, 200);
    let made = create(&stand, "one", volume(false)).await;
    if made == 500 {
        eprintln!("SKIPPED: sandboxes can mount nothing on this machine");
        return;
    }
    assert_eq!(made, 200);
    assert_eq!(run(&stand, "one", &format!("echo kept > {place}/file; cat {place}/file")).await, "kept\n");
    assert_eq!(attached_to(&stand, "v").await, "sandbox:one");
    assert_eq!(create(&stand, "two", volume(false)).await, 409, "one is in it");
    assert_eq!(stand.control("DELETE", "/volumes/v", "").await.status, 409);
    let forked = stand.control("POST", "/sandboxes/one/fork", r#"{"targetName":"fork"}"#).await.json();
    assert_eq!(forked["reveille"]["volumesLeftOut"], json!(["v"]), "{forked}");

    let stand = stand.restarted().await;
    assert_eq!(run(&stand, "one", &format!("cat {place}/file")).await, "kept\n");
    assert_eq!(stand.control("DELETE", "/sandboxes/one", "").await.status, 200);
    assert_eq!(attached_to(&stand, "v").await, "");
    assert_eq!(create(&stand, "two", volume(true)).await, 200);
    assert_eq!(run(&stand, "two", &format!("cat {place}/file")).await, "kept\n");
    let refused = run(&stand, "two", &format!("echo lost > {place}/file")).await;
    assert!(refused.contains("Read-only"), "{refused}");
    assert_eq!(stand.control("DELETE", "/sandboxes/two", "").await.status, 200);
    assert_eq!(stand.control("DELETE", "/volumes/v", "").await.status, 200);
    assert!(!stand.data("volumes/v").exists(), "its files went with it");
    stand.host.stop().await;
}

pub(crate) async fn scratch_space_is_bounded_and_goes_with_the_sandbox_s_processes() {
    let stand = Stand::with_box(|_| {}).await;
    let place = stand.data("inside");
    let place = place.to_str().unwrap();
    let made = create(&stand, "one", json!([{"type": "ephemeral", "sizeMb": 1, "mountPath": place}])).await;
    if made == 500 {
        eprintln!("SKIPPED: sandboxes can mount nothing on this machine");
        return;
    }
    assert_eq!(made, 200);
    let full = run(&stand, "one", &format!("head -c 3000000 /dev/zero > {place}/file")).await;
    assert!(full.contains("No space"), "{full}");
    let stand = stand.restarted().await;
    assert_eq!(run(&stand, "one", &format!("ls {place}")).await, "");
    stand.host.stop().await;
}
