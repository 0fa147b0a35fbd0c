//! Keys that are given to others.

use http::{Method, Request};
use http_body_util::Full;

use crate::client::Answer;
use crate::{KEY, Stand};

/// A request with this key.
async fn with(stand: &Stand, key: &str, method: Method, path: &str, body: &'static str) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "x");
    let request = request.header("authorization", format!("Bearer {key}"));
    stand.client.send(request.body(Full::from(body)).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_key_that_is_made_opens_everything_but_the_making_of_keys_until_it_is_revoked() {
    let stand = Stand::with_box(|_| {}).await;
    let made = stand.client.post("/v0/keys", r#"{"name":"ci"}"#).await;
    assert_eq!(made.status(), 200, "{made:?}");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    for path in ["/v0/sandboxes", "/local/sandboxes/box/x", "/metrics"] {
        assert_eq!(with(&stand, &key, Method::GET, path, "").await.status(), 200, "{path}");
    }
    for (method, path) in
        [(Method::GET, "/v0/keys"), (Method::POST, "/v0/keys"), (Method::DELETE, "/v0/keys/ci")]
    {
        let refused = with(&stand, &key, method, path, r#"{"name":"more"}"#).await;
        assert_eq!((refused.status().as_u16(), &refused.json()["error"]), (403, &"FORBIDDEN".into()));
    }
    let list = stand.client.get("/v0/keys").await;
    let listed = &list.json()["data"][0];
    assert_eq!((&listed["name"], &listed["expired"]), (&"ci".into(), &false.into()));
    assert!(key.starts_with(listed["hint"].as_str().unwrap()) && !list.text().contains(&key));

    let Stand { host, engine, client: _, data } = stand;
    host.stop().await;
    let stand = Stand::on(data, engine, |_| {}).await;
    assert_eq!(
        with(&stand, &key, Method::GET, "/v0/sandboxes", "").await.status(),
        200,
        "it stays over restarts"
    );
    assert_eq!(stand.client.method(Method::DELETE, "/v0/keys/ci", "").await.status(), 200);
    assert_eq!(with(&stand, &key, Method::GET, "/v0/sandboxes", "").await.status(), 401);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/keys/ci", "").await.status(), 404);
}

#[tokio::test]
async fn a_key_has_a_name_of_its_own_and_an_end_where_one_is_asked_for() {
    let stand = Stand::new().await;
    let ask = async |body: &str| stand.client.post("/v0/keys", body).await;
    let made = ask(r#"{"name":"a","expiresIn":"7d"}"#).await;
    assert!(made.json()["expiresAt"].is_string(), "{made:?}");
    assert_eq!(ask(r#"{"name":"a"}"#).await.status(), 409);
    for wrong in [
        "{}",
        r#"{"name":""}"#,
        r#"{"name":"a b"}"#,
        r#"{"name":"b","expiresIn":"soon"}"#,
        r#"{"name":"b","expiresIn":"0s"}"#,
        r#"{"name":"b","expires":"7d"}"#,
        "[]",
    ] {
        assert_eq!(ask(wrong).await.status(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_terminal_is_opened_by_a_key_in_its_url_which_goes_no_further() {
    let stand = Stand::with_box(|_| {}).await;
    let asked = async |path: &str| {
        let path = format!("/local/sandboxes/box{path}");
        let request = Request::get(path).header("host", "x").body(Full::default()).unwrap();
        stand.client.send(request).await.unwrap()
    };
    for (path, seen) in [
        (format!("/terminal/ws?token={KEY}&cols=80"), "/terminal/ws?cols=80"),
        (format!("/terminal?token={KEY}"), "/terminal"),
    ] {
        let answer = asked(&path).await;
        assert_eq!((answer.status().as_u16(), &answer.json()["target"]), (200, &seen.into()));
        assert!(!answer.text().contains(KEY), "{answer:?}");
    }
    for path in ["/terminal/ws?token=wrong".to_owned(), format!("/x?token={KEY}")] {
        assert_eq!(asked(&path).await.status(), 401, "{path}");
    }
}
