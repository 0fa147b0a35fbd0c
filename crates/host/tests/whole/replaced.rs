//! A host that leaves its sandboxes to the next one.

use std::time::Duration;

use reveille_host::engine::Namespaces;
use reveille_host::{ErrorKind, Host, HostSettings, Lifetime};
use serde_json::json;

use crate::kept::says;
use crate::processes::{kill_agent_of, pid_of};
use crate::routes::reaches;
use crate::stand::{self, Stand, until, until_some};

fn beyond(settings: &mut HostSettings) {
    settings.lifetime = Lifetime::BeyondTheHost;
}

/// A sandbox beside `box`, asleep, in which something runs that was started once.
async fn with_a_sleeper() -> Stand {
    let stand = Stand::with_box(beyond).await;
    let made = stand.control("POST", "/sandboxes", r#"{"metadata":{"name":"sleeper"}}"#).await;
    assert_eq!(made.status, 200, "{made:?}");
    says(&stand, "sleeper", "echo once >> file").await;
    assert_eq!(stand.control("POST", "/sandboxes/sleeper/standby", "").await.status, 200);
    stand
}

async fn state(stand: &Stand, name: &str) -> String {
    let record = stand.control("GET", &format!("/sandboxes/{name}"), "").await.json();
    record["state"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn what_runs_goes_on_and_its_output_is_whole() {
    let stand = with_a_sleeper().await;
    // A shell becomes the last command of its line, and then is not found by the line any more.
    let mark = format!("counted-{}", fastrand::u64(..));
    let count =
        format!("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.005; done; sleep 5432; : {mark}");
    let counter = json!({"command": count, "name": "counter"});
    assert_eq!(stand.post("/process", &counter).await.status, 200);
    let outside = pid_of(&mark).unwrap();
    let mut stand = stand;
    for _ in 0..3 {
        stand = stand.replaced(beyond).await;
        assert_eq!(state(&stand, "box").await, "RUNNING");
        assert_eq!(state(&stand, "sleeper").await, "STANDBY");
        assert_eq!(stand.get("/process/counter").await.json()["status"], "running");
        assert_eq!(pid_of(&mark).unwrap(), outside);
    }
    let all: String = (1..=400).map(|number| format!("{number}\n")).collect();
    loop {
        let said = stand.get("/process/counter/logs").await.json()["stdout"].as_str().unwrap().to_owned();
        assert!(all.starts_with(&said), "nothing is lost and nothing comes twice: {said}");
        if said == all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(says(&stand, "sleeper", "cat file").await, "once");
    for name in ["box", "sleeper"] {
        assert_eq!(stand.control("DELETE", &format!("/sandboxes/{name}"), "").await.status, 200);
        assert!(!stand.data("sandboxes").join(name).exists());
    }
    assert_eq!(pid_of(&mark), None);
    stand.host.stop().await;
}

pub(crate) async fn it_goes_to_standby_when_nothing_happens_in_it() {
    let stand = with_a_sleeper().await;
    let stand = stand
        .replaced(|settings| {
            beyond(settings);
            settings.standby_after = Duration::from_millis(100);
        })
        .await;
    // It is asked for nothing but its record.
    while state(&stand, "box").await != "STANDBY" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(says(&stand, "box", "echo awake").await, "awake");
    stand.host.stop().await;
}

pub(crate) async fn it_reaches_what_its_record_says() {
    let stand = Stand::with_box(beyond).await;
    if stand.host.isolation().namespaces != Namespaces::All {
        return eprintln!("skipped: sandboxes have no network of their own here");
    }
    let is_refused = |said: &str| said.contains(" 403 ") && said.contains("may reach");
    let mut stand = stand;
    for (domain, refused) in [("name.invalid", false), ("other.invalid", true)] {
        let network = json!({"spec": {"network": {"allowedDomains": [domain]}}}).to_string();
        assert_eq!(stand.control("PUT", "/sandboxes/box", &network).await.status, 200);
        stand = stand.replaced(beyond).await;
        let said = loop {
            // Until the host has said what it reaches it reaches nothing.
            let said = reaches(&stand).await;
            if is_refused(&said) == refused {
                break said;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(said.starts_with("HTTP/1.1 "), "the proxy answers: {said}");
    }
    stand.host.stop().await;
}

pub(crate) async fn the_next_hosts_previews_are_at_its_address_inside() {
    let mut stand = Stand::with_box(beyond).await;
    if stand.host.isolation().namespaces != Namespaces::All {
        return eprintln!("skipped: sandboxes have no network of their own here");
    }
    for _ in 0..2 {
        let (address, port) = (stand.host.address(), stand.host.address().port());
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /preview/none/ HTTP/1.1\\r\\nhost: {address}\\r\\n\
             connection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        let command = json!({"command": format!("bash -c \"{script}\""), "waitForCompletion": true});
        loop {
            let said = stand.post("/process", &command).await.json();
            let said = said["logs"].as_str().unwrap_or_default();
            // Until the host has said what it reaches it reaches nothing.
            if said.contains(" 404 ") && said.contains("no preview") {
                break;
            }
            assert!(said.contains(" 403 ") && said.contains("may reach"), "{said}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stand = stand.replaced(beyond).await;
    }
    stand.host.stop().await;
}

pub(crate) async fn it_is_started_again_when_its_agent_has_ended() {
    let stand = Stand::with_box(beyond).await;
    let mark = format!("lost-{}", fastrand::u64(..));
    let lost = json!({"command": format!("exec sh -c 'while sleep 1; do :; done' {mark}"), "name": "lost"});
    assert_eq!(stand.post("/process", &lost).await.status, 200);
    let stand = stand.replaced(beyond).await;
    kill_agent_of(&until_some(|| pid_of(&mark)).await);
    until(|| pid_of(&mark).is_none()).await;
    assert_eq!(stand.get("/process/lost").await.status, 404);
    assert_eq!(says(&stand, "box", "echo again").await, "again");
    stand.host.stop().await;
}

pub(crate) async fn it_goes_on_where_the_next_host_cannot_start() {
    let stand = Stand::with_box(beyond).await;
    let mark = format!("running-{}", fastrand::u64(..));
    let running = json!({"command": format!("sleep 8765; : {mark}"), "name": "running"});
    assert_eq!(stand.post("/process", &running).await.status, 200);
    let stand = stand
        .replaced_after(|settings| {
            beyond(settings);
            settings.access_log = Some("/proc/no/such/file".into());
        })
        .await;
    assert_eq!(stand.get("/process/running").await.json()["status"], "running");
    stand.host.stop().await;
    assert_eq!(pid_of(&mark), None);
}

pub(crate) async fn its_servers_and_its_mounts_are_what_they_were() {
    let stand = Stand::with_box(beyond).await;
    let path = format!("/port/{}/x", crate::passage::start(&stand, "serve-patiently").await);
    let first = stand.post(&path, &json!("x")).await.json().as_u64().unwrap();
    let mount = json!({"driveName": "data", "mountPath": "/mnt/data", "drivePath": "/"});
    let mounts = stand.post("/drives/mount", &mount).await.status == 200;
    let stand = stand.replaced(beyond).await;
    assert_eq!(stand.post(&path, &json!("x")).await.json(), first + 1);
    if mounts {
        says(&stand, "box", "echo kept > /mnt/data/file").await;
        assert_eq!(std::fs::read_to_string(stand.data("drives/data/file")).unwrap(), "kept\n");
        assert_eq!(stand.control("DELETE", "/drives/data", "").await.status, 409, "it is in use");
    }
    assert_eq!(stand.control("POST", "/sandboxes/box/standby", "").await.status, 200);
    let stand = stand.replaced(beyond).await;
    assert_eq!(stand.post(&path, &json!("x")).await.json(), first + 2, "asleep, too");
    stand.host.stop().await;
}

pub(crate) async fn its_agent_can_be_upgraded() {
    let stand = Stand::with_box(beyond).await;
    let running = json!({"command": "sleep 6543", "name": "running"});
    assert_eq!(stand.post("/process", &running).await.status, 200);
    let stand = stand.replaced(beyond).await.replaced(beyond).await;
    assert_eq!(stand.post("/upgrade", &json!({})).await.status, 200);
    while stand.get("/health").await.json()["upgradeCount"] != 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stand.get("/health").await.json()["lastUpgrade"]["status"], "completed");
    assert_eq!(stand.get("/process/running").await.json()["status"], "running");
    let stand = stand.replaced(beyond).await;
    assert_eq!(stand.get("/process/running").await.json()["status"], "running");
    stand.host.stop().await;
}

pub(crate) async fn only_one_host_has_the_data() {
    let stand = Stand::with_box(beyond).await;
    let mut second = stand::settings(&stand.data(""));
    beyond(&mut second);
    let refused = Host::start(second).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InUse);
    assert_eq!(reveille_host::host_on(&stand.data("")), Some(std::process::id()));
    assert_eq!(says(&stand, "box", "echo untouched").await, "untouched");
    stand.host.stop().await;
}
