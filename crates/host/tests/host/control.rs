use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::request;
use crate::{KEY, Stand};

#[tokio::test]
async fn a_new_sandbox_says_all_there_is_to_know_of_it() {
    let stand = Stand::with_box(|_| {}).await;
    let seen = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!((&seen["status"], &seen["state"]), (&json!("DEPLOYED"), &json!("RUNNING")));
    let url = format!("{}/local/sandboxes/box", stand.host.url());
    assert_eq!((&seen["metadata"]["url"], &seen["metadata"]["workspace"]), (&json!(url), &json!("local")));
    assert_eq!(seen["metadata"]["createdAt"], seen["metadata"]["updatedAt"]);
    assert!(seen["lastUsedAt"].as_str() >= seen["metadata"]["createdAt"].as_str());
    assert_eq!(seen["reveille"]["isolation"]["missing"], json!(["it is a script"]));
}

#[tokio::test]
async fn what_only_the_platform_has_is_not_taken_for_a_missing_sandbox() {
    let stand = Stand::with_box(|_| {}).await;
    for path in [
        "sandboxes/box/archive",
        "schedules/metrics",
        "images/sandbox/x",
        "workspaces",
        "volume_templates/x",
        "oauth/token",
    ] {
        let answer = stand.client.post(&format!("/v0/{path}"), "{}").await;
        assert_eq!(answer.status(), 501, "{path}");
        assert_eq!(
            (&answer.json()["error"], &answer.json()["code"]),
            (&json!("NOT_IMPLEMENTED"), &json!(501))
        );
    }
    for path in ["sandboxes/box/nothing", "nothing/fork", "previews"] {
        assert_eq!(stand.client.get(&format!("/v0/{path}")).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_name_is_made_up_where_none_is_given() {
    let stand = Stand::new().await;
    let (first, second) =
        (stand.client.post("/v0/sandboxes", "").await, stand.client.post("/v0/sandboxes", "{}").await);
    let name =
        |answer: &crate::client::Answer| answer.json()["metadata"]["name"].as_str().unwrap().to_owned();
    assert_ne!(name(&first), name(&second));
    assert_eq!(stand.client.get(&format!("/v0/sandboxes/{}", name(&first))).await.status(), 200);
}

#[tokio::test]
async fn a_name_is_given_once() {
    let stand = Stand::with_box(|_| {}).await;
    let again = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    assert_eq!((again.status().as_u16(), &again.json()["error"]), (409, &json!("SANDBOX_ALREADY_EXISTS")));
    assert_eq!(again.header("x-should-retry"), Some("false"), "who would ask again would hear the same");
    let refused = again.json();
    assert_eq!((&refused["code"], &refused["status_code"]), (&json!("SANDBOX_ALREADY_EXISTS"), &json!(409)));
    assert_eq!((&refused["sandbox_name"], &refused["workspace"]), (&json!("box"), &json!("local")));
    assert!(refused["message"].is_string() && refused["timestamp"].is_string(), "{refused}");
    let body = r#"{"metadata":{"name":"box","labels":{"a":"b"}}}"#;
    let reused = stand.client.post("/v0/sandboxes?createIfNotExist=true", body).await;
    assert_eq!((reused.status().as_u16(), &reused.json()["metadata"]["labels"]), (200, &Value::Null));
    assert_eq!(stand.engine.wakes(), 1);
}

#[tokio::test]
async fn two_who_create_it_at_once_get_the_same_sandbox() {
    let stand = Stand::new().await;
    let body = r#"{"metadata":{"name":"box"}}"#;
    let create = || stand.client.post("/v0/sandboxes?createIfNotExist=true", body);
    let (first, second) = tokio::join!(create(), create());
    assert_eq!((first.status().as_u16(), second.status().as_u16(), stand.engine.wakes()), (200, 200, 1));
    assert_eq!(first.json()["metadata"]["createdAt"], second.json()["metadata"]["createdAt"]);
}

#[tokio::test]
async fn keys_that_nobody_knows_are_kept() {
    let stand = Stand::new().await;
    let body =
        json!({"metadata": {"name": "box", "novel": [1]}, "spec": {"network": {"a": null}}, "also": 2});
    stand.client.post("/v0/sandboxes", &body.to_string()).await;
    let seen = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!((&seen["metadata"]["novel"], &seen["also"]), (&json!([1]), &json!(2)));
    assert_eq!(seen["spec"]["network"], json!({"a": null}));
}

#[tokio::test]
async fn what_cannot_be_a_sandbox_is_refused_with_a_reason() {
    let stand = Stand::new().await;
    let long = "x".repeat(65);
    for (body, reason) in [
        ("{".to_owned(), "cannot be read"),
        (r#"{"metadata":{"name":"Box"}}"#.to_owned(), "lower case"),
        (r#"{"metadata":{"name":"../x"}}"#.to_owned(), "lower case"),
        (format!(r#"{{"metadata":{{"externalId":"{long}"}}}}"#), "externalId"),
        (r#"{"spec":{"runtime":{"envs":[{"name":"A=B","value":""}]}}}"#.to_owned(), "environment variable"),
        (
            json!({"spec": {"runtime": {"envs": [{"name": "LONG", "value": "x".repeat(131_067)}]}}})
                .to_string(),
            "131073 bytes",
        ),
    ] {
        let refused = stand.client.post("/v0/sandboxes", &body).await;
        assert_eq!(
            (refused.status().as_u16(), &refused.json()["error"]),
            (400, &json!("BAD_REQUEST")),
            "{body}"
        );
        assert!(refused.json()["message"].as_str().unwrap().contains(reason), "{refused:?}");
    }
    let large = format!(r#"{{"metadata":{{"novel":"{}"}}}}"#, "x".repeat(1024 * 1024));
    assert_eq!(stand.client.post("/v0/sandboxes", &large).await.status(), 413);
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_started_leaves_its_name_free() {
    let stand = Stand::new().await;
    stand.engine.script(|script| script.failing_wakes = 1);
    let body = r#"{"metadata":{"name":"box"}}"#;
    let failed = stand.client.post("/v0/sandboxes", body).await;
    assert_eq!(failed.status(), 500);
    assert!(failed.json()["message"].as_str().unwrap().contains("the cluster has no room"), "{failed:?}");
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.status(), 404);
    assert_eq!(stand.client.post("/v0/sandboxes", body).await.status(), 200);
}

#[tokio::test]
async fn secrets_reach_the_sandbox_and_are_shown_only_to_who_asks() {
    let stand = Stand::new().await;
    let body = r#"{"metadata":{"name":"box"},"spec":{"runtime":{"envs":[
        {"name":"OPEN","value":"1"},{"name":"TOKEN","value":"hidden","secret":true}]}}}"#;
    assert!(!stand.client.post("/v0/sandboxes", body).await.text().contains("hidden"));
    assert!(!stand.client.get("/v0/sandboxes/box").await.text().contains("hidden"));
    assert!(!stand.client.get("/v0/sandboxes").await.text().contains("hidden"));
    assert!(stand.client.get("/v0/sandboxes/box?show_secrets=true").await.text().contains("hidden"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(stand.engine.plan("box").environment, [pair("OPEN", "1"), pair("TOKEN", "hidden")]);
}

#[tokio::test]
async fn an_update_changes_what_may_change() {
    let stand = Stand::new().await;
    let body = r#"{"metadata":{"name":"box"},"spec":{"runtime":{"image":"blaxel/a","envs":[
        {"name":"TOKEN","value":"hidden","secret":true}]}}}"#;
    let mut record = stand.client.post("/v0/sandboxes", body).await.json();
    record["metadata"]["labels"] = json!({"team": "blue"});
    let updated = stand.client.method(Method::PUT, "/v0/sandboxes/box", &record.to_string()).await;
    assert_eq!(
        (updated.status().as_u16(), &updated.json()["metadata"]["labels"]["team"]),
        (200, &json!("blue"))
    );
    let open = stand.client.get("/v0/sandboxes/box?show_secrets=true").await.json();
    assert_eq!(open["spec"]["runtime"]["envs"][0]["value"], "hidden", "the mask did not become the value");
    record["spec"]["runtime"]["extraArgs"] = json!({"iptables": "enabled"});
    let refused = stand.client.method(Method::PUT, "/v0/sandboxes/box", &record.to_string()).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(stand.client.method(Method::PUT, "/v0/sandboxes/none", "{}").await.status(), 404);
}

#[tokio::test]
async fn a_deleted_sandbox_is_gone_and_its_name_free() {
    let stand = Stand::with_box(|_| {}).await;
    let deleted = stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await;
    assert_eq!((deleted.status().as_u16(), &deleted.json()["status"]), (200, &json!("DELETING")));
    assert!(!stand.engine.has("box"));
    for path in ["/v0/sandboxes/box", "/v0/sandboxes/by-external-id/x"] {
        let gone = stand.client.get(path).await;
        assert_eq!((gone.status().as_u16(), &gone.json()["code"]), (404, &json!(404)));
    }
    assert_eq!(stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await.status(), 404);
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.code(), "WORKLOAD_NOT_FOUND");
    assert_eq!(stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await.status(), 200);
}

#[tokio::test]
async fn a_delete_that_fails_leaves_the_sandbox_working() {
    let stand = Stand::with_box(|_| {}).await;
    stand.engine.script(|script| script.failing_deletes = 1);
    let failed = stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await;
    assert_eq!(failed.status(), 500);
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["status"], "DEPLOYED");
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await.status(), 200);
}

async fn names(stand: &Stand, query: &str) -> Vec<String> {
    let listed = stand.client.get(&format!("/v0/sandboxes{query}")).await.json();
    let data = listed["data"].as_array().unwrap().iter();
    data.map(|sandbox| sandbox["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_come_sorted_filtered_and_in_pages() {
    let stand = Stand::new().await;
    for (name, id) in [("c", "1"), ("a", "2"), ("b", "3"), ("other", "4")] {
        let body =
            json!({"metadata": {"name": name, "externalId": id, "displayName": format!("The {name}")}});
        stand.client.post("/v0/sandboxes", &body.to_string()).await;
    }
    assert_eq!(names(&stand, "").await, ["other", "b", "a", "c"], "the newest first");
    assert_eq!(names(&stand, "?sort=createdAt:asc").await, ["c", "a", "b", "other"]);
    assert_eq!(names(&stand, "?sort=name:asc").await, ["a", "b", "c", "other"]);
    assert_eq!(names(&stand, "?q=OTH").await, ["other"]);
    assert_eq!(names(&stand, "?externalId=2").await, ["a"]);
    assert_eq!(names(&stand, "?status=DEPLOYED,FAILED&showTerminated=true").await.len(), 4);
    assert!(names(&stand, "?status=FAILED").await.is_empty());
    let found = stand.client.get("/v0/sandboxes/by-external-id/3").await.json();
    assert_eq!(found["metadata"]["name"], "b");

    let first = stand.client.get("/v0/sandboxes?limit=3&sort=name:desc").await.json();
    assert_eq!((&first["meta"]["hasMore"], &first["meta"]["total"]), (&json!(true), &json!(4)));
    let cursor = first["meta"]["nextCursor"].as_str().unwrap();
    let rest =
        stand.client.get(&format!("/v0/sandboxes?limit=3&sort=name:desc&cursor={cursor}")).await.json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&rest["data"][0]["metadata"]["name"], &rest["meta"]["hasMore"]),
        (&json!("a"), &json!(false))
    );
    assert_eq!(stand.client.get("/v0/sandboxes?cursor=nonsense").await.status(), 400);
}

#[tokio::test]
async fn clients_of_an_older_version_get_a_bare_list() {
    let stand = Stand::with_box(|_| {}).await;
    let listed = |version: &str| {
        let builder = request(Method::GET, "/v0/sandboxes").header("blaxel-version", version);
        stand.client.send(builder.body(Full::default()).unwrap())
    };
    assert_eq!(listed("2025-11-01").await.unwrap().json().as_array().unwrap().len(), 1);
    assert_eq!(listed("2026-04-28").await.unwrap().json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_answered_without_the_key() {
    let stand = Stand::with_box(|_| {}).await;
    for path in ["/v0/sandboxes", "/v0/nothing", "/local/sandboxes/box/x", "/"] {
        let bare = Request::get(path).header("host", "h").body(Full::default()).unwrap();
        let bare = stand.client.send(bare).await.unwrap();
        let wrong = Request::get(path).header("host", "h").header("authorization", "Bearer no");
        let wrong = stand.client.send(wrong.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!((bare.status().as_u16(), wrong.status().as_u16()), (401, 401), "{path}");
        assert!(
            bare.text().contains("AUTHENTICATION_REQUIRED") && wrong.text().contains("AUTHENTICATION_FAILED")
        );
        assert!(bare.header("x-request-id").is_some() && !bare.text().contains(KEY));
    }
    assert_eq!(stand.engine.app("box").arrived(), 0);
    let usual =
        Request::get("/v0/sandboxes").header("host", "h").header("authorization", format!("Bearer {KEY}"));
    assert_eq!(stand.client.send(usual.body(Full::default()).unwrap()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_key_is_for_its_workspace_only() {
    let stand = Stand::with_box(|_| {}).await;
    let other =
        |path: &str| request(Method::GET, path).header("x-blaxel-workspace", "other").body(Full::default());
    let control = stand.client.send(other("/v0/sandboxes").unwrap()).await.unwrap();
    assert_eq!((control.status().as_u16(), &control.json()["error"]), (403, &json!("FORBIDDEN")));
    let gateway = stand.client.send(other("/local/sandboxes/box/x").unwrap()).await.unwrap();
    assert_eq!((gateway.status().as_u16(), gateway.code().as_str()), (403, "FORBIDDEN"));
    let own =
        request(Method::GET, "/v0/sandboxes").header("x-blaxel-workspace", "local").body(Full::default());
    assert_eq!(stand.client.send(own.unwrap()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_keeps_the_id_that_it_came_with() {
    let stand = Stand::new().await;
    let named =
        request(Method::GET, "/v0/sandboxes/none").header("x-request-id", "mine-7").body(Full::default());
    assert_eq!(stand.client.send(named.unwrap()).await.unwrap().header("x-request-id"), Some("mine-7"));
    let (a, b) = (stand.client.get("/v0/nothing").await, stand.client.get("/v0/nothing").await);
    assert!(a.header("x-request-id").is_some() && a.header("x-request-id") != b.header("x-request-id"));
}

#[tokio::test]
async fn what_could_not_be_taken_back_is_neither_awake_nor_asleep_and_is_reached_by_nobody() {
    let stand = Stand::new().await;
    stand.engine.script(|script| (script.failing_wakes, script.failing_deletes) = (1, 1));
    let body = r#"{"metadata":{"name":"box"}}"#;
    assert_eq!(stand.client.post("/v0/sandboxes", body).await.status(), 500);
    let left = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!((&left["status"], &left["state"]), (&json!("DELETING"), &Value::Null));
    assert_eq!(stand.client.get("/v0/sandboxes").await.json()["data"][0]["state"], Value::Null);
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 404);
    assert_eq!(stand.client.post("/v0/sandboxes/box/standby", "").await.status().as_u16() / 100, 4);
    assert_eq!(stand.engine.wakes(), 1, "nobody made it anew");
    assert_eq!(stand.client.post("/v0/sandboxes", body).await.status(), 200, "its name can be taken");
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["state"], "RUNNING");
    assert_eq!(stand.client.get("/local/sandboxes/box/x").await.status(), 200);
}

#[tokio::test]
async fn what_is_being_made_is_not_said_to_sleep() {
    let stand = Stand::new().await;
    stand.engine.script(|script| script.gated_wake = true);
    let making = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#);
    let looking = async {
        while stand.engine.wakes() == 0 {
            tokio::task::yield_now().await;
        }
        let seen = stand.client.get("/v0/sandboxes/box").await.json();
        stand.engine.go.notify_one();
        seen
    };
    let (made, seen) = tokio::join!(making, looking);
    assert_eq!((&seen["status"], &seen["state"]), (&json!("DEPLOYING"), &Value::Null));
    assert_eq!(made.json()["state"], "RUNNING");
}
