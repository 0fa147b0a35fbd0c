//! Several workspaces on one host.

use std::time::Duration;

use reveille_host::{Host, HostSettings, Lifetime};
use serde_json::{Value, json};

use crate::stand::{self, Answer, Stand};

const OTHER: &str = "other";

fn with_another(settings: &mut HostSettings) {
    settings.workspaces = vec![OTHER.to_owned()];
    settings.lifetime = Lifetime::BeyondTheHost;
}

/// Somebody with a key, in a workspace that is named or not.
struct Visitor<'a> {
    stand: &'a Stand,
    key: String,
    workspace: Option<&'a str>,
}

impl Visitor<'_> {
    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        stand::try_send_as(self.stand.host.address(), &self.key, self.workspace, method, path, body)
            .await
            .unwrap()
    }

    async fn makes(&self, path: &str, name: &str) {
        let made = self.ask("POST", path, json!({"metadata": {"name": name}})).await;
        assert_eq!(made.status, 200, "{made:?}");
    }

    async fn says(&self, base: &str, line: &str) -> String {
        let run = json!({"command": line, "waitForCompletion": true});
        let said = self.ask("POST", &format!("{base}/process"), run).await;
        assert_eq!(said.status, 200, "{said:?}");
        said.json()["stdout"].as_str().unwrap().trim().to_owned()
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let listed = self.ask("GET", path, Value::Null).await.json();
        let listed = listed["data"].as_array().or(listed.as_array()).unwrap().clone();
        let name = |it: &Value| it["metadata"]["name"].as_str().or(it["name"].as_str()).unwrap().to_owned();
        listed.iter().map(name).collect()
    }
}

/// The operator in the other workspace.
fn operator(stand: &Stand) -> Visitor<'_> {
    Visitor { stand, key: stand.host.key().to_owned(), workspace: Some(OTHER) }
}

/// Somebody to whom a key of the other workspace was given, and who names none.
async fn guest(stand: &Stand) -> Visitor<'_> {
    let made = operator(stand).ask("POST", "/v0/keys", json!({"name": "guest"})).await.json();
    Visitor { stand, key: made["key"].as_str().unwrap().to_owned(), workspace: None }
}

pub(crate) async fn one_sees_nothing_of_the_other() {
    let stand = Stand::with_box(with_another).await;
    assert_eq!(stand.host.workspaces().collect::<Vec<_>>(), ["local", OTHER]);
    let other = operator(&stand);
    let first = Visitor { workspace: None, ..operator(&stand) };
    for path in ["/v0/sandboxes", "/v0/drives", "/v0/volumes"] {
        assert_eq!(other.names(path).await, [""; 0], "{path}");
        other.makes(path, "same").await;
        first.makes(path, "same").await;
        first.makes(path, "mine").await;
        assert_eq!(other.names(path).await, ["same"], "{path}");
    }
    let record = other.ask("GET", "/v0/sandboxes/same", Value::Null).await.json();
    assert_eq!(record["metadata"]["workspace"], OTHER);
    assert!(record["metadata"]["url"].as_str().unwrap().ends_with("/other/sandboxes/same"), "{record}");
    let by_query =
        first.ask("GET", "/v0/sandboxes/same?show_secrets=true&workspace=other", Value::Null).await;
    assert_eq!(by_query.json()["metadata"]["workspace"], OTHER, "it is named in the query, too");
    assert_eq!(first.ask("GET", "/v0/sandboxes/mine?workspace=other", Value::Null).await.status, 404);
    for (visitor, base) in [(&other, "/other/sandboxes/same"), (&first, "/local/sandboxes/same")] {
        assert_eq!(visitor.says(base, "cat file 2>/dev/null; echo written > file").await, "");
        assert_eq!(visitor.says(base, "cat file").await, "written");
    }
    for (visitor, base, word) in
        [(&other, "/other/sandboxes/same", "other"), (&first, "/local/sandboxes/same", "first")]
    {
        let input = json!({"command": format!("echo {word} >> due")});
        let due = json!({"id": "due", "type": "sleep", "value": "0s", "input": input});
        assert_eq!(visitor.ask("POST", "/v0/sandboxes/same/schedules", due).await.status, 200);
        while visitor.says(base, "cat due 2>/dev/null || true").await != word {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let taken = other.ask("POST", "/v0/sandboxes/same/snapshots", json!({"name": "taken"})).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(first.ask("GET", "/v0/snapshots", Value::Null).await.json()["meta"]["total"], 0);
    assert_eq!(other.ask("DELETE", "/v0/sandboxes/same", Value::Null).await.status, 200);
    assert_eq!(first.says("/local/sandboxes/same", "cat file").await, "written", "the other one goes on");
    stand.host.stop().await;
}

pub(crate) async fn a_key_opens_its_own_only() {
    let stand = Stand::with_box(with_another).await;
    let guest = guest(&stand).await;
    guest.makes("/v0/sandboxes", "box").await;
    assert_eq!(guest.names("/v0/sandboxes").await, ["box"]);
    assert_eq!(guest.ask("GET", "/other/sandboxes/box/health", Value::Null).await.status, 200);
    let mine = guest.ask("GET", "/v0/sandboxes/box", Value::Null).await.json();
    assert_eq!(mine["metadata"]["workspace"], OTHER);

    let foreign = guest.ask("GET", "/local/sandboxes/box/health", Value::Null).await;
    let nowhere = guest.ask("GET", "/nowhere/sandboxes/box/health", Value::Null).await;
    assert_eq!((foreign.status, nowhere.status), (404, 404));
    let told = |answer: &Answer, name: &str| answer.text().replace(name, "it");
    let (foreign, nowhere) = (told(&foreign, "local"), told(&nowhere, "nowhere"));
    let plain = |text: &str| serde_json::from_str::<Value>(text).unwrap()["error"]["message"].clone();
    assert_eq!(plain(&foreign), plain(&nowhere), "nobody is told what other workspaces there are");
    for name in ["local", "nowhere"] {
        let named = Visitor { workspace: Some(name), key: guest.key.clone(), ..operator(&stand) };
        for path in ["/v0/sandboxes", "/other/sandboxes/box/health", "/metrics"] {
            let refused = named.ask("GET", path, Value::Null).await;
            assert_eq!(refused.status, 403, "{name} {path}: {refused:?}");
            assert!(!refused.text().contains("\\\"local\\\""), "{refused:?}");
        }
    }
    assert_eq!(guest.ask("GET", "/v0/sandboxes?workspace=local", Value::Null).await.status, 403);
    assert_eq!(guest.ask("GET", "/v0/keys", Value::Null).await.status, 403, "a guest makes none");
    assert_eq!(stand.control("GET", "/keys", "").await.json()["data"], json!([]), "it is the other one's");
    assert_eq!(operator(&stand).ask("DELETE", "/v0/keys/guest", Value::Null).await.status, 200);
    assert_eq!(guest.ask("GET", "/v0/sandboxes", Value::Null).await.status, 401);
    stand.host.stop().await;
}

pub(crate) async fn previews_lead_to_their_own() {
    let stand = Stand::with_box(with_another).await;
    let other = operator(&stand);
    other.makes("/v0/sandboxes", "box").await;
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true}});
    let first = Visitor { workspace: None, ..operator(&stand) };
    let mut urls = Vec::new();
    for visitor in [&first, &other] {
        let made = visitor.ask("POST", "/v0/sandboxes/box/previews", preview.clone()).await;
        assert_eq!(made.status, 200, "{made:?}");
        urls.push(made.json()["spec"]["url"].as_str().unwrap().to_owned());
    }
    assert_ne!(urls[0], urls[1]);
    for url in &urls {
        let path = url.strip_prefix(&stand.host.url()).unwrap();
        let stranger = Visitor { key: "none".to_owned(), workspace: None, ..operator(&stand) };
        // Nobody listens there, which is said by the sandbox behind.
        let answer = stranger.ask("GET", path, Value::Null).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (502, &json!("PORT_NOT_LISTENING")));
    }
    let names = |visitor: Answer| visitor.json().as_array().map_or(0, Vec::len);
    assert_eq!(names(other.ask("GET", "/v0/sandboxes/box/previews", Value::Null).await), 1);
    stand.host.stop().await;
}

pub(crate) async fn what_has_been_once_is_there_again() {
    let stand = Stand::with_box(with_another).await;
    let guest_key = guest(&stand).await.key;
    let other = operator(&stand);
    other.makes("/v0/sandboxes", "box").await;
    let mark = format!("running-{}", fastrand::u64(..));
    let running = json!({"command": format!("sleep 7654; : {mark}"), "name": "running"});
    assert_eq!(other.ask("POST", "/other/sandboxes/box/process", running).await.status, 200);
    // The next host is not told of it.
    let stand = stand.replaced(|settings| settings.lifetime = Lifetime::BeyondTheHost).await;
    let guest = Visitor { stand: &stand, key: guest_key, workspace: None };
    let running = guest.ask("GET", "/other/sandboxes/box/process/running", Value::Null).await;
    assert_eq!((running.status, &running.json()["status"]), (200, &json!("running")));
    let stand = stand.restarted().await;
    assert_eq!(stand.host.workspaces().count(), 2);
    assert_eq!(operator(&stand).names("/v0/sandboxes").await, ["box"]);
    assert_eq!(crate::processes::pid_of(&mark), None, "a host that stops ends all of them");

    let mut settings = stand::settings(&stand.data(""));
    OTHER.clone_into(&mut settings.workspace);
    stand.host.stop().await;
    let refused = Host::start(settings).await.unwrap_err().to_string();
    assert!(refused.contains("further workspace"), "{refused}");
}
