//! Drives and volumes as records.

use http::Method;
use serde_json::{Value, json};

use crate::Stand;

async fn total(stand: &Stand, path: &str) -> Value {
    stand.client.get(path).await.json()["meta"]["total"].clone()
}

#[tokio::test]
async fn a_drive_is_made_found_changed_and_deleted_with_its_files() {
    let stand = Stand::new().await;
    let body = json!({"metadata": {"name": "data", "externalId": "my-1"}, "spec": {"region": "us-pdx-1"}})
        .to_string();
    let made = stand.client.post("/v0/drives", &body).await;
    assert_eq!((made.status().as_u16(), &made.json()["status"]), (200, &json!("DEPLOYED")), "{made:?}");
    let place = stand.data.path().join("data/drives/data");
    std::fs::write(place.join("file"), "kept").unwrap();
    assert_eq!(stand.client.post("/v0/drives", &body).await.status(), 409);
    assert_eq!(stand.client.get("/v0/drives/by-external-id/my-1").await.json()["metadata"]["name"], "data");
    let labels = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    let changed = stand.client.method(Method::PUT, "/v0/drives/data", labels).await.json();
    assert_eq!(
        (&changed["metadata"]["labels"]["a"], &changed["spec"]["region"]),
        (&json!("b"), &json!("us-pdx-1"))
    );
    assert_eq!(changed["metadata"]["externalId"], "my-1", "what is not named stays");
    let other = r#"{"metadata":{"externalId":"my-2"}}"#;
    assert_eq!(stand.client.method(Method::PUT, "/v0/drives/data", other).await.status(), 200);
    assert_eq!(stand.client.get("/v0/drives/by-external-id/my-1").await.status(), 404);
    assert_eq!(stand.client.get("/v0/drives/by-external-id/my-2").await.json()["metadata"]["name"], "data");
    assert_eq!(total(&stand, "/v0/drives?q=dat").await, 1);
    let deleted = stand.client.method(Method::DELETE, "/v0/drives/data", "").await;
    assert_eq!((deleted.status().as_u16(), place.exists()), (200, false));
    let missing = stand.client.get("/v0/drives/data").await;
    assert_eq!((missing.status().as_u16(), &missing.json()["error"]), (404, &"DRIVE_NOT_FOUND".into()));
    assert!(missing.json()["message"].as_str().unwrap().starts_with("Drive not found"), "{missing:?}");
    assert_eq!(stand.client.method(Method::DELETE, "/v0/drives/data", "").await.status(), 404);
}

#[tokio::test]
async fn a_drive_that_was_only_mounted_is_listed_and_can_be_deleted() {
    let stand = Stand::new().await;
    std::fs::create_dir(stand.data.path().join("data/drives/mounted")).unwrap();
    assert_eq!(total(&stand, "/v0/drives").await, 1);
    let seen = stand.client.get("/v0/drives/mounted").await.json();
    assert!(seen["metadata"]["createdAt"].is_string(), "{seen}");
    assert_eq!(stand.client.post("/v0/drives", r#"{"metadata":{"name":"mounted"}}"#).await.status(), 409);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/drives/mounted", "").await.status(), 200);
    assert_eq!(total(&stand, "/v0/drives").await, 0);
}

/// A stand with a drive of these permissions, and a sandbox of these labels.
async fn with_permissions(permissions: Value, labels: Value) -> Stand {
    let stand = Stand::new().await;
    let drive = json!({"metadata": {"name": "data"}, "spec": {"permissions": permissions}}).to_string();
    assert_eq!(stand.client.post("/v0/drives", &drive).await.status(), 200);
    let sandbox = json!({"metadata": {"name": "box", "labels": labels}}).to_string();
    assert_eq!(stand.client.post("/v0/sandboxes", &sandbox).await.status(), 200);
    stand
}

/// What its agent gets of a wish to mount the drive: which part, and whether it can only be read; or why it gets
/// nothing.
async fn wished(stand: &Stand, path: &str) -> Result<(String, bool), String> {
    let wish = json!({"driveName": "data", "mountPath": "/mnt", "drivePath": path}).to_string();
    let answer = stand.client.post("/local/sandboxes/box/drives/mount", &wish).await;
    match answer.status().as_u16() {
        403 => Err(answer.json()["error"].as_str().unwrap().to_owned()),
        _ => {
            let got: Value = serde_json::from_str(answer.json()["body"].as_str().unwrap()).unwrap();
            assert_eq!(got["driveName"], "data");
            Ok((got["drivePath"].as_str().unwrap().to_owned(), got["readOnly"].as_bool().unwrap_or_default()))
        }
    }
}

#[tokio::test]
async fn a_drive_is_mounted_by_whom_its_permissions_name() {
    let permissions = json!([
        {"labels": {"team": "a", "role": "main"}, "mode": "read-write"},
        {"labels": {"team": "a"}, "mode": "read"},
        {"labels": {"team": "b"}, "mode": "read-write", "path": "/shared"},
    ]);
    let stand = with_permissions(permissions, json!({})).await;
    for (labels, path, may) in [
        (json!({"team": "a", "role": "main"}), "/", Some(("/", false))),
        (json!({"team": "a"}), "/", Some(("/", true))),
        (json!({"team": "b"}), "/shared/x", Some(("/shared/x", false))),
        (json!({"team": "b"}), "/", Some(("/shared", false))),
        (json!({"team": "b"}), "/shared/../x", None),
        (json!({"team": "b"}), "/sharedx", None),
        (json!({"team": "c"}), "/", None),
    ] {
        label(&stand, &labels).await;
        let wished = wished(&stand, path).await;
        let granted = wished.as_ref().ok().map(|(part, only)| (part.as_str(), *only));
        assert_eq!(granted, may, "{labels} {path} {wished:?}");
        assert!(wished.is_ok() || wished.unwrap_err().starts_with("permission denied: drive \"data\""));
    }
    permit(&stand, &json!([])).await;
    assert_eq!(
        wished(&stand, "/").await,
        Ok(("/".to_owned(), false)),
        "one without permissions is open to all"
    );
}

async fn label(stand: &Stand, labels: &Value) {
    let labelled = json!({"metadata": {"labels": labels}}).to_string();
    let put = stand.client.method(Method::PUT, "/v0/sandboxes/box", &labelled).await;
    assert_eq!(put.status(), 200, "{put:?}");
}

async fn permit(stand: &Stand, permissions: &Value) {
    let spec = json!({"spec": {"permissions": permissions}}).to_string();
    let put = stand.client.method(Method::PUT, "/v0/drives/data", &spec).await;
    assert_eq!(put.status(), 200, "{put:?}");
}

#[tokio::test]
async fn the_first_permission_whose_labels_fit_counts_and_what_it_does_not_say_is_all() {
    let stand = with_permissions(json!([]), json!({"team": "a"})).await;
    let all = Ok(("/".to_owned(), false));
    for said in [
        json!({"labels": {"team": "a"}}),
        json!({"labels": {"team": "a"}, "mode": "", "path": ""}),
        json!({"labels": {"blaxel-name": "box", "blaxel-type": "sandbox", "blaxel-workspace": "local"}}),
    ] {
        permit(&stand, &json!([said])).await;
        assert_eq!(wished(&stand, "/").await, all, "{said}");
    }
    permit(&stand, &json!([{"labels": {}, "mode": "read"}, {"labels": {"team": "a"}}])).await;
    assert_eq!(wished(&stand, "/").await, Ok(("/".to_owned(), true)));
    permit(&stand, &json!([{"labels": {"blaxel-name": "other"}}])).await;
    label(&stand, &json!({"blaxel-name": "other"})).await;
    assert!(wished(&stand, "/").await.is_err(), "nobody gives itself another's name");
}

#[tokio::test]
async fn a_wish_that_is_none_is_left_to_the_agent_and_one_without_end_is_refused() {
    let stand = with_permissions(json!([{"labels": {"team": "a"}}]), json!({})).await;
    for other in
        ["", "[]", "{\"driveName\":", r#"{"driveName":"data","driveName":"other","mountPath":"/mnt"}"#]
    {
        let seen = stand.client.post("/local/sandboxes/box/drives/mount", other).await;
        assert_eq!((seen.status().as_u16(), &seen.json()["body"]), (200, &json!(other)));
    }
    let endless = stand.client.post("/local/sandboxes/box/drives/mount", &"x".repeat(65 * 1024)).await;
    assert_eq!(endless.status(), 413);
}

#[tokio::test]
async fn permissions_that_cannot_be_are_refused() {
    let stand = Stand::new().await;
    for bad in [
        json!("all"),
        json!([{"mode": "write"}]),
        json!([{"labels": ["team"]}]),
        json!([{"labels": {"team": 1}}]),
        json!([{"path": "shared"}]),
        json!([{"path": "/a/../b"}]),
        json!([{}, {}, {}, {}]),
    ] {
        let drive = json!({"metadata": {"name": "data"}, "spec": {"permissions": bad}}).to_string();
        assert_eq!(stand.client.post("/v0/drives", &drive).await.status(), 400, "{drive}");
    }
    let none = r#"{"metadata":{"name":"data"},"spec":{"permissions":null}}"#;
    assert_eq!(stand.client.post("/v0/drives", none).await.status(), 200);
}

#[tokio::test]
async fn a_volume_of_a_template_is_refused_unless_it_is_there_already() {
    let stand = Stand::new().await;
    let of = |template: Value| json!({"metadata": {"name": "v"}, "spec": {"template": template}}).to_string();
    let refused = stand.client.post("/v0/volumes", &of(json!("mine:latest"))).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.json()["message"].as_str().unwrap().contains("\"mine:latest\""), "{refused:?}");
    assert_eq!(stand.client.post("/v0/volumes", &of(json!(""))).await.status(), 200);
    assert_eq!(stand.client.post("/v0/volumes", &of(json!("mine:latest"))).await.status(), 409);
}

#[tokio::test]
async fn a_volume_grows_and_does_not_shrink() {
    let stand = Stand::new().await;
    let made = stand.client.post("/v0/volumes", r#"{"metadata":{"name":"v"}}"#).await;
    assert_eq!((made.status().as_u16(), &made.json()["spec"]["size"]), (200, &json!(1024)));
    assert_eq!(made.json()["status"], "CREATED", "where it comes from, it is there a little later");
    assert_eq!(stand.client.get("/v0/volumes/v").await.json()["status"], "DEPLOYED");
    let size = |size: u64| json!({"spec": {"size": size}}).to_string();
    let put = |body: String| {
        let client = stand.client.clone();
        async move { client.method(Method::PUT, "/v0/volumes/v", &body).await }
    };
    assert_eq!(put(size(2048)).await.json()["spec"]["size"], 2048);
    assert_eq!(put(size(1024)).await.status(), 400);
    assert_eq!(put(size(0)).await.status(), 400);
    assert_eq!(put(json!({"spec": {"region": "elsewhere"}}).to_string()).await.status(), 400);
    let Stand { host, engine, client: _, data } = stand;
    host.stop().await;
    let stand = Stand::on(data, engine, |_| {}).await;
    assert_eq!(stand.client.get("/v0/volumes/v").await.json()["spec"]["size"], 2048);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/volumes/v", "").await.status(), 200);
    assert_eq!(total(&stand, "/v0/volumes").await, 0);
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused_with_the_reason() {
    let stand = Stand::new().await;
    for name in ["v", "w"] {
        stand.client.post("/v0/volumes", &json!({"metadata": {"name": name}}).to_string()).await;
    }
    let at = |path: &str| json!({"name": "v", "mountPath": path});
    let wrong = [
        (json!([at("/")]), "below /"),
        (json!([at("relative")]), "absolute"),
        (json!([at("/a/../b")]), ".."),
        (json!([at("/proc/sys")]), "/proc"),
        (json!([at("/a"), {"name": "w", "mountPath": "/a/"}]), "two are mounted"),
        (json!([at("/a"), at("/b")]), "attached twice"),
        (json!([{"name": "none", "mountPath": "/a"}]), "no volume called"),
        (json!([{"name": "../v", "mountPath": "/a"}]), "no name"),
        (json!([{"type": "ephemeral", "mountPath": "/a"}]), "sizeMb"),
        (json!([{"type": "ephemeral", "sizeMb": 0, "mountPath": "/a"}]), "sizeMb"),
        (json!([{"type": "shared", "name": "v", "mountPath": "/a"}]), "persistent or ephemeral"),
    ];
    for (volumes, why) in wrong {
        let body = json!({"metadata": {"name": "box"}, "spec": {"volumes": volumes}}).to_string();
        let refused = stand.client.post("/v0/sandboxes", &body).await;
        let said = refused.json().to_string();
        assert!(refused.status() == 400 && said.contains(why), "{volumes}: {said}");
    }
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.status(), 404, "none of them was made");
}

#[tokio::test]
async fn of_many_who_want_one_volume_one_gets_it() {
    let stand = Stand::new().await;
    for name in ["v", "w"] {
        stand.client.post("/v0/volumes", &json!({"metadata": {"name": name}}).to_string()).await;
    }
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..16 {
        // In both orders, so that whoever waits for one holds the other.
        let (first, second) = if number % 2 == 0 { ("v", "w") } else { ("w", "v") };
        let volumes = json!([{"name": first, "mountPath": "/a"}, {"name": second, "mountPath": "/b"}]);
        let body =
            json!({"metadata": {"name": format!("box-{number}")}, "spec": {"volumes": volumes}}).to_string();
        let client = stand.client.clone();
        asked.spawn(async move { client.post("/v0/sandboxes", &body).await.status().as_u16() });
    }
    let mut answers = asked.join_all().await;
    answers.sort_unstable();
    assert_eq!((answers[0], &answers[1..]), (200, &[409; 15][..]));
    let holder = stand.client.get("/v0/volumes/v").await.json()["state"]["attachedTo"].clone();
    let holder = holder.as_str().unwrap().strip_prefix("sandbox:").unwrap().to_owned();
    let other = json!({"spec": {"volumes": []}}).to_string();
    let path = format!("/v0/sandboxes/{holder}");
    assert_eq!(stand.client.method(Method::PUT, &path, &other).await.status(), 400, "what is attached stays");
    assert_eq!(
        stand.client.method(Method::PUT, &path, r#"{"metadata":{"labels":{"a":"b"}}}"#).await.status(),
        200
    );
    assert_eq!(stand.client.method(Method::DELETE, &path, "").await.status(), 200);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/volumes/v", "").await.status(), 200);
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_and_missing_ones_are_made_up() {
    let stand = Stand::new().await;
    for (path, start) in [("/v0/drives", "drive-"), ("/v0/volumes", "volume-")] {
        for name in ["Upper", "../x", "a_b", "-a", "a-", "by-external-id", &*"x".repeat(50)] {
            let body = json!({"metadata": {"name": name}}).to_string();
            let refused = stand.client.post(path, &body).await;
            assert_eq!((refused.status().as_u16(), &refused.json()["code"]), (400, &json!(400)), "{name}");
        }
        let made = stand.client.post(path, "{}").await.json();
        assert!(made["metadata"]["name"].as_str().unwrap().starts_with(start), "{made}");
    }
}
