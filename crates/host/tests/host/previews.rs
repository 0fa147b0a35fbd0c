//! Previews: made by who has the key, visited by who has not.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use reveille_host::{Clock, PreviewUrls};
use serde_json::{Value, json};

use crate::Stand;
use crate::client::Answer;

const PREVIEWS: &str = "/v0/sandboxes/box/previews";

async fn make(stand: &Stand, preview: Value) -> Value {
    let made = stand.client.post(PREVIEWS, &preview.to_string()).await;
    assert_eq!(made.status(), 200, "{made:?}");
    made.json()
}

async fn token(stand: &Stand, preview: &str) -> String {
    let made = stand.client.post(&format!("{PREVIEWS}/{preview}/tokens"), "{}").await;
    assert_eq!(made.status(), 200, "{made:?}");
    made.json()["spec"]["token"].as_str().unwrap().to_owned()
}

/// The path of a preview's URL.
fn path(stand: &Stand, preview: &Value) -> String {
    let url = preview["spec"]["url"].as_str().unwrap();
    url.strip_prefix(&stand.host.url()).unwrap().to_owned()
}

/// A request without the key.
async fn visit(stand: &Stand, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "127.0.0.1");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    stand.client.send(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_public_preview_is_open_to_everybody_and_to_one_port_only() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    let preview =
        make(&stand, json!({"metadata": {"name": "p"}, "spec": {"port": 3000, "public": true}})).await;
    let at = path(&stand, &preview);
    assert!(at.contains("preview"), "{at}");
    let seen = visit(&stand, &format!("{at}/a%2Fb?c=1&c=2"), &[]).await;
    assert_eq!((seen.status().as_u16(), &seen.json()["target"]), (200, &json!("/port/3000/a%2Fb?c=1&c=2")));
    assert_eq!(visit(&stand, &at, &[]).await.json()["target"], "/port/3000/");
    for out in ["/../process", "/../../process", "/%2e%2e/process", "/a/../../process"] {
        assert_eq!(visit(&stand, &format!("{at}{out}"), &[]).await.status(), 400, "{out}");
    }
    let host = preview["reveille"]["hostUrl"].as_str().unwrap().strip_prefix("http://").unwrap();
    let seen = visit(&stand, "/x", &[("host", host)]).await;
    assert_eq!((seen.status().as_u16(), &seen.json()["target"]), (200, &json!("/port/3000/x")));
    assert_eq!(visit(&stand, "/preview/none/", &[]).await.status(), 404);
    assert_eq!(visit(&stand, "/local/sandboxes/box/port/3000/", &[]).await.status(), 401);
}

#[tokio::test]
async fn a_preview_says_the_url_by_its_name_where_the_host_is_told_so() {
    let stand = Stand::with_box(|settings| settings.preview_urls = PreviewUrls::ByName).await;
    let preview =
        json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true, "prefixUrl": "mine"}});
    let made = make(&stand, preview).await;
    let url = made["spec"]["url"].as_str().unwrap();
    let host = url.strip_prefix("http://").unwrap();
    assert!(host.starts_with("mine.preview.localhost:"), "{url}");
    assert_eq!(visit(&stand, "/x", &[("host", host)]).await.status(), 200);
}

#[tokio::test]
async fn a_private_preview_opens_to_its_own_tokens() {
    let stand = Stand::with_box(|_| {}).await;
    let (one, other) =
        (json!({"metadata": {"name": "one"}, "spec": {"port": 1}}), json!({"spec": {"port": 2}}));
    let (one, other) = (make(&stand, one).await, make(&stand, other).await);
    assert_eq!(other["metadata"]["name"], "preview-2");
    let at = path(&stand, &one);
    let (good, wrong) = (token(&stand, "one").await, token(&stand, "preview-2").await);
    assert_eq!(visit(&stand, &format!("{at}/x"), &[]).await.code(), "AUTHENTICATION_REQUIRED");
    for bad in [&*wrong, "", "x", &good[1..]] {
        let answer = visit(&stand, &format!("{at}/x"), &[("x-blaxel-preview-token", bad)]).await;
        assert_eq!(answer.code(), "AUTHENTICATION_FAILED", "{bad}");
    }
    assert_eq!(stand.engine.app("box").arrived(), 0);
    let seen = visit(&stand, &format!("{at}/x"), &[("x-blaxel-preview-token", &good)]).await;
    assert_eq!((seen.status().as_u16(), &seen.json()["target"]), (200, &json!("/port/1/x")));
    assert!(!seen.text().contains(&good), "the app does not see the token");
    let linked = visit(&stand, &format!("{at}/x?a=1&bl_preview_token={good}"), &[]).await;
    assert_eq!((linked.status().as_u16(), &linked.json()["target"]), (200, &json!("/port/1/x?a=1")));
    let cookie = linked.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains(&format!("Path={at}")) && cookie.contains("HttpOnly"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let both = format!("theme=dark; {pair}");
    let rest = visit(&stand, &format!("{at}/y"), &[("cookie", &both)]).await;
    assert_eq!(rest.status(), 200);
    assert!(rest.text().contains("theme=dark") && !rest.text().contains(&good), "{rest:?}");
    let deleted = stand.client.get(&format!("{PREVIEWS}/one/tokens")).await.json();
    let name = deleted[0]["metadata"]["name"].as_str().unwrap();
    stand.client.method(Method::DELETE, &format!("{PREVIEWS}/one/tokens/{name}"), "").await;
    assert_eq!(visit(&stand, &format!("{at}/x"), &[("x-blaxel-preview-token", &good)]).await.status(), 401);
}

#[tokio::test]
async fn a_token_is_deleted_by_its_value_too() {
    let stand = Stand::with_box(|_| {}).await;
    let made = make(&stand, json!({"metadata": {"name": "one"}, "spec": {"port": 1}})).await;
    let value = token(&stand, "one").await;
    let gone = stand.client.method(Method::DELETE, &format!("{PREVIEWS}/one/tokens/{value}"), "").await;
    assert_eq!(gone.status(), 200, "{gone:?}");
    let visited =
        visit(&stand, &format!("{}/x", path(&stand, &made)), &[("x-blaxel-preview-token", &value)]).await;
    assert_eq!(visited.status(), 401);
}

#[tokio::test]
async fn tokens_of_the_same_name_are_told_apart() {
    let stand = Stand::with_box(|_| {}).await;
    make(&stand, json!({"metadata": {"name": "one"}, "spec": {"port": 1}})).await;
    let tokens = format!("{PREVIEWS}/one/tokens");
    let made = || stand.client.post(&tokens, r#"{"metadata":{"name":"token-1"}}"#);
    let (first, second) = (made().await.json(), made().await.json());
    assert_eq!(first["metadata"]["name"], "token-1");
    let name = second["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("token-1-"), "{name}");
    stand.client.method(Method::DELETE, &format!("{tokens}/{name}"), "").await;
    let left = stand.client.get(&tokens).await.json();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["spec"]["token"]), (1, &first["spec"]["token"]));
}

#[tokio::test]
async fn a_preview_opens_no_port_that_its_sandbox_says_it_has_not() {
    let stand = Stand::new().await;
    let body =
        r#"{"metadata":{"name":"box"},"spec":{"runtime":{"ports":[{"target":3000},{"target":4000}]}}}"#;
    assert_eq!(stand.client.post("/v0/sandboxes", body).await.status(), 200);
    let opening = |port: u16| json!({"metadata": {"name": "p"}, "spec": {"port": port}}).to_string();
    let refused = stand.client.post(PREVIEWS, &opening(15_500)).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("15500 is none of the ports of box, [3000, 4000]"), "{refused:?}");
    assert_eq!(stand.client.post(PREVIEWS, &opening(3000)).await.status(), 200);
    for (port, status) in [(15_500, 400), (4000, 200)] {
        let put = stand.client.method(Method::PUT, &format!("{PREVIEWS}/p"), &opening(port)).await;
        assert_eq!(put.status(), status, "{put:?}");
    }
    let session = json!({"metadata": {"name": "session-1"}, "spec": {"port": 443}}).to_string();
    assert_eq!(stand.client.post(PREVIEWS, &session).await.status(), 200, "its own API is no port");
}

#[tokio::test]
async fn a_preview_that_is_made_again_is_where_it_was_and_the_tokens_of_before_open_it_no_more() {
    let stand = Stand::with_box(|_| {}).await;
    let private = json!({"metadata": {"name": "one"}, "spec": {"port": 1}});
    let before = make(&stand, private.clone()).await;
    let old = token(&stand, "one").await;
    stand.client.method(Method::DELETE, &format!("{PREVIEWS}/one"), "").await;
    let at = path(&stand, &before);
    assert_eq!(visit(&stand, &at, &[]).await.status(), 404);
    assert_eq!(make(&stand, private).await["spec"]["url"], before["spec"]["url"]);
    assert_eq!(visit(&stand, &at, &[("x-blaxel-preview-token", &old)]).await.status(), 401);
    let other = make(&stand, json!({"metadata": {"name": "two"}, "spec": {"port": 1}})).await;
    assert_ne!(other["spec"]["url"], before["spec"]["url"]);
}

#[tokio::test]
async fn a_session_reaches_the_sandboxes_own_api_and_ends_with_its_token() {
    let clock = Clock::default();
    let stand = Stand::with_box(|settings| settings.clock = clock.clone()).await;
    let preview = make(&stand, json!({"metadata": {"name": "session-1"}, "spec": {"port": 443}})).await;
    let token = token(&stand, "session-1").await;
    let at = format!("{}/process", path(&stand, &preview));
    let with = [("x-blaxel-preview-token", &*token)];
    assert_eq!(visit(&stand, &at, &with).await.json()["target"], "/process");
    clock.skip(Duration::from_secs(25 * 3600));
    assert_eq!(visit(&stand, &at, &with).await.status(), 401);
    let listed = stand.client.get(&format!("{PREVIEWS}/session-1/tokens")).await.json();
    assert_eq!(listed[0]["spec"]["expired"], true);
}

#[tokio::test]
async fn a_preview_lays_its_headers_over_requests_and_answers() {
    let stand = Stand::with_box(|_| {}).await;
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true,
        "requestHeaders": {"X-Given": "yes"}, "responseHeaders": {"Access-Control-Allow-Origin": "*"}}});
    let at = path(&stand, &make(&stand, preview).await);
    let seen = visit(&stand, &format!("{at}/x"), &[("x-given", "no")]).await;
    assert_eq!(seen.header("access-control-allow-origin"), Some("*"));
    assert!(seen.text().contains("yes") && !seen.text().contains("\"no\""), "{seen:?}");
}

/// Asks as a browser does before a page of another origin sends something.
async fn preflight(stand: &Stand, path: &str) -> Answer {
    let request = Request::options(path)
        .header("host", "127.0.0.1")
        .header("origin", "https://page.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-mine");
    stand.client.send(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_browser_is_told_what_pages_of_other_origins_may_send_without_a_token_and_without_the_app() {
    let stand = Stand::with_box(|_| {}).await;
    let plain = path(&stand, &make(&stand, json!({"metadata": {"name": "p"}, "spec": {"port": 1}})).await);
    let told = preflight(&stand, &format!("{plain}/x")).await;
    assert_eq!((told.status().as_u16(), told.text()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, POST, PUT, DELETE, OPTIONS, PATCH"),
        ("access-control-allow-headers", "Content-Type, Authorization, X-Blaxel-Preview-Token"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(told.header(name), Some(value), "{name}");
    }
    let own = json!({"metadata": {"name": "own"}, "spec": {"port": 1, "responseHeaders": {
        "Access-Control-Allow-Origin": "https://page.example", "Access-Control-Allow-Headers": "X-Mine"}}});
    let own = path(&stand, &make(&stand, own).await);
    let told = preflight(&stand, &own).await;
    assert_eq!(told.header("access-control-allow-origin"), Some("https://page.example"));
    assert_eq!(told.header("access-control-allow-headers"), Some("X-Mine"));
    assert_eq!(
        told.header("access-control-allow-credentials"),
        Some("true"),
        "what is not said is the platform's"
    );
    assert_eq!(stand.engine.app("box").arrived(), 0);
    assert_eq!(preflight(&stand, "/preview/none/").await.status(), 404);
    assert_eq!(preflight(&stand, "/local/sandboxes/box/port/1/").await.status(), 401, "it is no preview");
}

#[tokio::test]
async fn an_options_that_is_no_browsers_question_goes_to_the_app() {
    let stand = Stand::with_box(|_| {}).await;
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true}});
    let at = path(&stand, &make(&stand, preview).await);
    let request = Request::options(format!("{at}/x")).header("host", "127.0.0.1");
    let seen = stand.client.send(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!((seen.status().as_u16(), &seen.json()["target"]), (200, &json!("/port/1/x")));
}

#[tokio::test]
async fn what_the_app_says_of_other_origins_stands_before_the_preview_and_the_platform() {
    let stand = Stand::with_box(|_| {}).await;
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true, "responseHeaders": {
        "Access-Control-Allow-Origin": "https://page.example", "Access-Control-Expose-Headers": "X-Mine",
        "Vary": "Origin", "X-Frame-Options": "SAMEORIGIN"}}});
    let at = path(&stand, &make(&stand, preview).await);
    let shared = visit(&stand, &format!("{at}/shared"), &[]).await;
    assert_eq!(shared.header("access-control-allow-origin"), Some("https://app"));
    assert_eq!(shared.header("access-control-expose-headers"), Some("X-Mine"));
    assert_eq!(shared.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(shared.headers().get_all("vary").iter().collect::<Vec<_>>(), ["Accept", "Origin"]);
    assert_eq!(shared.header("x-frame-options"), Some("SAMEORIGIN"), "other headers are the preview's");
    let silent = visit(&stand, &format!("{at}/x"), &[]).await;
    assert_eq!(silent.header("access-control-allow-origin"), Some("https://page.example"));
}

#[tokio::test]
async fn a_page_of_another_origin_can_read_why_it_is_turned_away() {
    let stand = Stand::with_box(|_| {}).await;
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": 1}});
    let at = path(&stand, &make(&stand, preview).await);
    for (at, status) in [(&*at, 401), ("/preview/none/", 404)] {
        let turned = visit(&stand, at, &[("origin", "https://page.example")]).await;
        assert_eq!(turned.status(), status);
        assert_eq!(turned.header("access-control-allow-origin"), Some("*"));
        assert!(turned.header("access-control-expose-headers").unwrap().contains("X-Blaxel-Error-Code"));
    }
}

#[tokio::test]
async fn a_browser_keeps_the_token_for_frames_in_pages_of_other_sites_and_a_program_for_plain_http() {
    let stand = Stand::with_box(|_| {}).await;
    let at = path(&stand, &make(&stand, json!({"metadata": {"name": "p"}, "spec": {"port": 1}})).await);
    let link = format!("{at}/x?bl_preview_token={}", token(&stand, "p").await);
    let browser = visit(&stand, &link, &[("sec-fetch-site", "cross-site")]).await;
    let kept: Vec<_> =
        browser.headers().get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
    let ends = ["; HttpOnly; SameSite=None; Secure", "; HttpOnly; SameSite=None; Secure; Partitioned"];
    assert!(kept.len() == 2 && kept.iter().zip(ends).all(|(it, end)| it.ends_with(end)), "{kept:?}");
    let program = visit(&stand, &link, &[]).await;
    assert!(program.header("set-cookie").unwrap().ends_with("; HttpOnly; SameSite=Lax"), "{program:?}");
}

#[tokio::test]
async fn a_browser_opens_a_page_by_the_previews_own_name() {
    let stand = Stand::with_box(|_| {}).await;
    let public = json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true, "prefixUrl": "mine"}});
    make(&stand, public).await;
    for (host, name) in [
        ("127.0.0.1:4000", Some("//mine.preview.localhost:4000")),
        ("localhost", Some("//mine.preview.localhost")),
        ("[::1]:4000", Some("//mine.preview.localhost:4000")),
        ("10.0.0.1:4000", None),
        ("host.example", None),
    ] {
        let page = [("sec-fetch-dest", "iframe"), ("host", host)];
        let sent = visit(&stand, "/preview/mine/a%2Fb?c=1", &page).await;
        let to = name.map(|name| format!("{name}/a%2Fb?c=1"));
        assert_eq!(sent.header("location"), to.as_deref(), "{host}");
        assert_eq!(sent.status(), if to.is_some() { 307 } else { 200 });
    }
    let there = [("sec-fetch-dest", "document"), ("host", "mine.preview.localhost:4000")];
    assert_eq!(visit(&stand, "/a", &there).await.status(), 200);
    let script = [("sec-fetch-dest", "empty"), ("host", "127.0.0.1:4000")];
    assert_eq!(visit(&stand, "/preview/mine/a", &script).await.status(), 200);
}

#[tokio::test]
async fn a_browser_takes_the_token_along_to_the_previews_own_name_and_keeps_it_for_both() {
    let stand = Stand::with_box(|_| {}).await;
    make(&stand, json!({"metadata": {"name": "p"}, "spec": {"port": 1, "prefixUrl": "mine"}})).await;
    let token = token(&stand, "p").await;
    let page = [("sec-fetch-dest", "document"), ("sec-fetch-site", "none"), ("host", "127.0.0.1:4000")];
    assert_eq!(visit(&stand, "/preview/mine/", &page).await.status(), 401);
    let sent = visit(&stand, &format!("/preview/mine/?bl_preview_token={token}"), &page).await;
    let to = format!("//mine.preview.localhost:4000/?bl_preview_token={token}");
    assert_eq!((sent.status().as_u16(), sent.header("location")), (307, Some(&*to)));
    let cookie = sent.header("set-cookie").unwrap();
    assert!(cookie.contains("Path=/preview/mine;"), "{cookie}");
    let with_cookie = [page[0], page[2], ("cookie", cookie.split(';').next().unwrap())];
    assert_eq!(visit(&stand, "/preview/mine/", &with_cookie).await.status(), 200, "there it would have none");
}

#[tokio::test]
async fn a_preview_has_a_name_a_prefix_and_an_end() {
    let clock = Clock::default();
    let stand = Stand::with_box(|settings| settings.clock = clock.clone()).await;
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true, "prefixUrl": "mine", "ttl": "1h"}});
    let made = make(&stand, preview.clone()).await;
    assert!(path(&stand, &made).ends_with("/mine"));
    assert_eq!(stand.client.post(PREVIEWS, &preview.to_string()).await.status(), 409);
    let mut other = preview.clone();
    other["metadata"]["name"] = json!("q");
    assert_eq!(stand.client.post(PREVIEWS, &other.to_string()).await.status(), 409, "the prefix is taken");
    assert_eq!(stand.client.get(&format!("{PREVIEWS}/p")).await.json()["spec"]["url"], made["spec"]["url"]);
    assert_eq!(stand.client.get(&format!("{PREVIEWS}/none")).await.status(), 404);
    assert_eq!(stand.client.get(PREVIEWS).await.json().as_array().unwrap().len(), 1);
    clock.skip(Duration::from_secs(3601));
    assert_eq!(visit(&stand, "/preview/mine/x", &[]).await.status(), 404);
    assert_eq!(stand.client.get(&format!("{PREVIEWS}/p")).await.status(), 404);
    make(&stand, other).await;
    for bad in [
        json!({"spec": {}}),
        json!({"metadata": {"name": ".."}, "spec": {"port": 1}}),
        json!({"spec": {"port": 0}}),
        json!({"spec": {"port": 65536}}),
        json!({"spec": {"port": 80}}),
        json!({"spec": {"port": -1}}),
        json!({"spec": {"port": 1, "prefixUrl": "A.b"}}),
        json!({"spec": {"port": 1, "ttl": "soon"}}),
        json!({"spec": {"port": 1, "expires": "soon"}}),
        json!({"spec": {"port": 1, "responseHeaders": {"Transfer-Encoding": "chunked"}}}),
        json!({"spec": {"port": 1, "responseHeaders": {"X-Blaxel-Source": "platform"}}}),
        json!({"spec": {"port": 1, "responseHeaders": {"a b": "c"}}}),
    ] {
        assert_eq!(stand.client.post(PREVIEWS, &bad.to_string()).await.status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn previews_outlive_the_host_and_end_with_their_sandbox() {
    let stand = Stand::with_box(|_| {}).await;
    make(
        &stand,
        json!({"metadata": {"name": "p"}, "spec": {"port": 1, "public": true, "prefixUrl": "mine"}}),
    )
    .await;
    let Stand { host, engine, client: _, data } = stand;
    host.stop().await;
    let stand = Stand::on(data, engine, |_| {}).await;
    assert_eq!(visit(&stand, "/preview/mine/x", &[]).await.status(), 200);
    assert_eq!(stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await.status(), 200);
    assert_eq!(visit(&stand, "/preview/mine/x", &[]).await.status(), 404);
    let again = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    assert_eq!(again.status(), 200);
    assert_eq!(
        stand.client.get(PREVIEWS).await.json(),
        json!([]),
        "the next one of the name has none of them"
    );
}
