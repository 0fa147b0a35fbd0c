use std::os::unix::fs::PermissionsExt as _;

use reveille_host::{ErrorKind, Host};
use reveille_wire::LocalHost;

use crate::engine::ScriptedEngine;
use crate::{KEY, Stand, settings};

async fn refused(change: impl FnOnce(&mut reveille_host::HostSettings)) -> reveille_host::Error {
    let data = tempfile::tempdir().unwrap();
    let mut settings = settings(&data);
    change(&mut settings);
    Host::start_on(settings, ScriptedEngine::new(data.path())).await.unwrap_err()
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let stand = Stand::new().await;
    let taken = stand.host.address();
    let error = refused(|settings| settings.listen = taken).await;
    assert_eq!(error.kind(), ErrorKind::Listen);
    let said = error.to_string();
    assert!(said.contains(&taken.to_string()) && said.contains("--listen"), "{said}");
}

#[tokio::test]
async fn two_hosts_do_not_share_a_data_directory() {
    let stand = Stand::new().await;
    let error = refused(|other| other.data = stand.data.path().join("data")).await;
    assert_eq!(error.kind(), ErrorKind::InUse);
    let said = error.to_string();
    assert!(said.contains(&std::process::id().to_string()) && said.contains("--data"), "{said}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_named_with_what_to_do() {
    let error = refused(|settings| settings.data = "/proc/nowhere".into()).await;
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("/proc/nowhere") && error.to_string().contains("--data"), "{error}");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    for workspace in ["", "v0", "a/b", "..", "ä"] {
        let error = refused(|settings| settings.workspace = workspace.to_owned()).await;
        assert_eq!(error.kind(), ErrorKind::Settings, "{workspace}");
    }
    for key in ["", "a b", "ä\n"] {
        let error = refused(|settings| settings.key = Some(key.to_owned())).await;
        assert_eq!(error.kind(), ErrorKind::Settings);
    }
}

#[tokio::test]
async fn a_key_is_made_where_none_is_given_and_never_shown_in_debug() {
    let stand = Stand::with(|settings| settings.key = None).await;
    assert!(stand.host.key().len() >= 48);
    assert!(!format!("{:?}", stand.host).contains(stand.host.key()));
}

#[tokio::test]
async fn clients_of_the_same_user_find_the_host_while_it_runs() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("reveille/host.json");
    let stand = Stand::with(|settings| settings.announce = Some(path.clone())).await;
    let found: LocalHost = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(found, stand.host.local_host());
    assert_eq!((found.url.as_str(), found.key.as_str()), (stand.host.url().as_str(), KEY));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    stand.host.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_host_on_all_addresses_names_one_that_can_be_reached() {
    let stand = Stand::with(|settings| settings.listen = "0.0.0.0:0".parse().unwrap()).await;
    assert_eq!(stand.host.url(), format!("http://127.0.0.1:{}", stand.host.address().port()));
}

#[tokio::test]
async fn sandboxes_come_back_with_the_next_host() {
    let Stand { host, engine, client, data } = Stand::with_box(|_| {}).await;
    let before = client.get("/v0/sandboxes/box").await.json();
    host.stop().await;
    assert!(!engine.has("box"), "a host that stops ends its sandboxes");

    let stand = Stand::on(data, ScriptedEngine::new(tempfile::tempdir().unwrap().path()), |_| {}).await;
    let after = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!((&after["state"], &after["status"]), (&"STANDBY".into(), &"DEPLOYED".into()));
    assert_eq!(after["metadata"]["createdAt"], before["metadata"]["createdAt"]);
    assert_eq!(after["lastUsedAt"], before["lastUsedAt"]);
    assert!(!stand.engine.has("box"), "nothing runs before somebody wants it");
}

#[tokio::test]
async fn the_first_request_after_a_restart_starts_the_sandbox() {
    let Stand { host, engine, client: _, data } = Stand::with_box(|_| {}).await;
    host.stop().await;
    let stand = Stand::on(data, engine, |_| {}).await;
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["state"], "RUNNING");
}
