use std::io::ErrorKind;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stand::{NAME, Stand, ask, client, get, head_of, post, secured, server};
use crate::egress::{Domains, Policy, Route, Routing};

/// A route to the server behind, with two secrets.
fn route() -> Route {
    let route = Route::to([NAME.parse().unwrap()]);
    route.with_secret("a", "ALPHA").unwrap().with_secret("b", "BETA").unwrap()
}

fn all_but_routes() -> Policy {
    Policy::from(Domains::all())
}

#[tokio::test]
async fn a_route_adds_what_it_says_and_leaves_the_rest() {
    let route = route().with_header("x-added", "Bearer {{SECRET:a}}-{{SECRET:b}}").unwrap();
    let route = route.with_header("x-missing", "{{SECRET:missing}}").unwrap();
    let stand = Stand::with([route.with_field("key", &json!("{{SECRET:a}}"))]).await;
    let mut client = stand.client().await;
    let request = post("/v1?q=%20").header("x-own", "pre-{{SECRET:b}}");
    let request =
        request.header("x-unknown", "{{SECRET:unknown}}").header("x-bytes", &b"\xff{{SECRET:a}}"[..]);
    let answer = ask(&mut client, request.body(r#"{"mine":"{{SECRET:a}}","n":1.10}"#).unwrap()).await;
    let got = answer.got();
    assert_eq!((&got["method"], &got["target"]), (&json!("POST"), &json!("/v1?q=%20")));
    for (name, wanted) in [
        ("x-added", "Bearer ALPHA-BETA"),
        ("x-own", "pre-BETA"),
        ("x-unknown", "{{SECRET:unknown}}"),
        ("x-bytes", "\u{fffd}ALPHA"),
        ("host", NAME),
    ] {
        assert_eq!(got["headers"][name], wanted, "{name}: {got}");
    }
    assert_eq!(got["headers"]["x-missing"], Value::Null);
    assert_eq!(got["body"], r#"{"mine":"ALPHA","n":1.10,"key":"ALPHA"}"#);
    let ids: Vec<_> = answer.headers.get_all("x-blaxel-request-id").iter().collect();
    assert!(ids.len() == 1 && ids[0] != "forged", "{ids:?}");
    assert_eq!(
        got["headers"]["x-blaxel-request-id"],
        ids[0].to_str().unwrap(),
        "the destination is told it, too"
    );
}

#[tokio::test]
async fn what_a_program_says_itself_stands() {
    let route = route().with_header("x-added", "theirs").unwrap().with_header("accept", "a/b").unwrap();
    let stand = Stand::with([route.with_field("n", &json!("theirs")).with_field("m", &json!(2))]).await;
    let request = post("/").header("X-Added", "mine").body(r#"{"n":1}"#).unwrap();
    let got = ask(&mut stand.client().await, request).await.got();
    assert_eq!((&got["headers"]["x-added"], &got["headers"]["accept"]), (&json!("mine"), &json!("a/b")));
    assert_eq!(got["body"], r#"{"n":1,"m":2}"#);
}

#[tokio::test]
async fn values_are_made_for_each_request_and_told_in_its_answer() {
    let route = route().with_header("x-id", "req-{{FUNC:uuid()}}").unwrap();
    let route = route.with_header("x-none", "{{FUNC:uuid()}}{{SECRET:missing}}").unwrap();
    let route = route.with_header("x-mine", "{{FUNC:nonce()}}").unwrap();
    let stand = Stand::with([route.with_field("at", &json!("{{FUNC:timestamp_ms()}}"))]).await;
    let mut client = stand.client().await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let request = post("/").header("x-own", "{{FUNC:uuid()}}").header("x-mine", "mine");
        let answer = ask(&mut client, request.body(r#"{"own":"{{FUNC:uuid()}}"}"#).unwrap()).await;
        let got = answer.got();
        let told = |target: &str| answer.headers.get(format!("x-blaxel-func-{target}")).cloned();
        let id = got["headers"]["x-id"].as_str().unwrap().strip_prefix("req-").unwrap().to_owned();
        assert_eq!(told("x-id").unwrap(), format!("uuid={id}"));
        let body: Value = serde_json::from_str(got["body"].as_str().unwrap()).unwrap();
        assert_eq!(told("at").unwrap(), format!("timestamp_ms={}", body["at"].as_str().unwrap()));
        assert_eq!((&body["own"], &got["headers"]["x-own"]), (&json!("{{FUNC:uuid()}}"), &body["own"]));
        assert!(["x-none", "x-mine", "x-own", "own"].iter().all(|target| told(target).is_none()));
        assert_eq!(got["headers"]["x-none"], Value::Null);
        seen.push(id);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn what_no_route_leads_to_is_not_looked_into() {
    let elsewhere = Route::to(["*.api.example".parse().unwrap()]).with_header("x-added", "1").unwrap();
    let passed_by = Routing::new([route()]).with_bypass([NAME.parse().unwrap()]);
    for policy in [
        all_but_routes(),
        all_but_routes().with_routing(Routing::new([elsewhere])),
        all_but_routes().with_routing(passed_by),
    ] {
        let stand = Stand::by(policy).await;
        // It is the server's own certificate that the client meets.
        let stream = stand.connected(&format!("{NAME}:443")).await;
        let stream = secured(stream, NAME, stand.server.roots.clone()).await.unwrap();
        let answer = ask(&mut client(stream).await, get("/").body("").unwrap()).await;
        assert_eq!(answer.got()["headers"]["x-added"], Value::Null);
        assert_eq!(answer.headers["x-blaxel-request-id"], "forged");
    }
}

#[tokio::test]
async fn a_secret_is_for_its_own_route_only() {
    let other = Route::to(["other.example".parse().unwrap()]).with_secret("other", "OTHER").unwrap();
    let stand = Stand::with([other.with_header("x-other", "{{SECRET:other}}").unwrap(), route()]).await;
    let request =
        post("/").header("x-own", "{{SECRET:other}}").body(r#"{"own":"{{SECRET:other}}"}"#).unwrap();
    let answer = ask(&mut stand.client().await, request).await;
    let got = answer.got();
    assert_eq!(got["headers"]["x-own"], "{{SECRET:other}}");
    assert_eq!(got["headers"]["x-other"], Value::Null);
    assert_eq!(got["body"], r#"{"own":"{{SECRET:other}}"}"#);
    assert!(!answer.text().contains("OTHER"));
}

#[tokio::test]
async fn all_routes_that_lead_there_hold_and_the_earlier_one_counts() {
    let everywhere = Route::to(["*".parse().unwrap()]).with_secret("a", "FIRST").unwrap();
    let everywhere = everywhere.with_header("x-both", "first").unwrap().with_header("x-first", "1").unwrap();
    let mut routes = vec![everywhere, route().with_header("x-both", "second").unwrap()];
    for number in 0..500 {
        let name = format!("{number}.example").parse().unwrap();
        routes.push(Route::to([name]).with_header("x-never", "1").unwrap());
    }
    let stand = Stand::with(routes).await;
    let request = get("/").header("x-own", "{{SECRET:a}}{{SECRET:b}}").body("").unwrap();
    let got = ask(&mut stand.client().await, request).await.got();
    assert_eq!((&got["headers"]["x-both"], &got["headers"]["x-first"]), (&json!("first"), &json!("1")));
    assert_eq!(got["headers"]["x-own"], "FIRSTBETA");
    assert_eq!(got["headers"]["x-never"], Value::Null);
}

#[tokio::test]
async fn another_policy_holds_for_the_next_request_and_cuts_what_it_forbids() {
    let with = |value: &str| {
        let route = Route::to([NAME.parse().unwrap()]).with_secret("k", value).unwrap();
        all_but_routes().with_routing(Routing::new([route.with_header("x-key", "{{SECRET:k}}").unwrap()]))
    };
    let stand = Stand::by(with("one")).await;
    let mut client = stand.client().await;
    let key = async |client: &mut _| {
        ask(client, get("/").body("").unwrap()).await.got()["headers"]["x-key"].clone()
    };
    assert_eq!(key(&mut client).await, "one");
    stand.change(with("two"));
    assert_eq!(key(&mut client).await, "two");
    stand.change(all_but_routes());
    assert_eq!(key(&mut client).await, Value::Null);
    let mut blind = stand.connected(&format!("{NAME}:443")).await;
    stand.change(Policy::from(Domains::none()));
    while client.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(blind.read(&mut [0]).await.unwrap_or(0), 0);
    let (_, said) = stand.said_to_connect(&format!("{NAME}:443")).await;
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let server = server().await;
    let policy = all_but_routes().with_routing(Routing::new([route()]));
    let stand = Stand::before(server, rustls::RootCertStore::empty(), policy.clone(), None).await;
    let answer = ask(&mut stand.client().await, get("/").header("x", "{{SECRET:a}}").body("").unwrap()).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("could not be made sure of"), "{answer:?}");
    assert_eq!(stand.server.had(), 0);
    // Nor does one whose certificate is for another name.
    let policy = all_but_routes().with_routing(Routing::new([Route::to(["*".parse().unwrap()])]));
    let stand = Stand::by(policy).await;
    let stream = stand.secured("other.example:443", "other.example").await;
    let request = http::Request::builder().uri("/").header("host", "other.example").body("").unwrap();
    assert_eq!(ask(&mut client(stream).await, request).await.status, 502);
    assert_eq!(stand.server.had(), 0);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_made_anew() {
    let stand = Stand::with([route().with_header("x-added", "{{SECRET:a}}").unwrap()]).await;
    let mut client = stand.client().await;
    for round in 1..=5 {
        let answer = ask(&mut client, get("/close").body("").unwrap()).await;
        assert_eq!(answer.got()["headers"]["x-added"], "ALPHA");
        assert!(!answer.headers.contains_key("connection"), "{answer:?}");
        assert_eq!(stand.server.had(), round);
    }
}

#[tokio::test]
async fn a_server_that_gave_up_before_it_was_asked_is_asked_on_a_new_connection() {
    let behind = server().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut impatient = behind.clone();
    impatient.address = listener.local_addr().unwrap();
    let policy = all_but_routes().with_routing(Routing::new([route()]));
    let stand = Stand::before(impatient, behind.roots.clone(), policy, None).await;
    let stream = stand.connected(&format!("{NAME}:443")).await;
    drop(listener.accept().await.unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut server = TcpStream::connect(behind.address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut server).await });
        }
    });
    let stream = secured(stream, NAME, stand.trusted()).await.unwrap();
    let request = get("/").header("x-own", "{{SECRET:a}}").body("").unwrap();
    assert_eq!(ask(&mut client(stream).await, request).await.got()["headers"]["x-own"], "ALPHA");
    assert_eq!(stand.server.had(), 1);
}

#[tokio::test]
async fn both_sides_may_change_over_to_another_protocol() {
    let stand = Stand::with([route().with_header("x-added", "1").unwrap()]).await;
    let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
    let head = format!("GET /ws HTTP/1.1\r\nhost: {NAME}\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = head_of(&mut stream).await.to_ascii_lowercase();
    assert!(said.starts_with("http/1.1 101") && said.contains("upgrade: echo"), "{said}");
    for text in [&b"one"[..], b"\x00\xff{{SECRET:a}}"] {
        stream.write_all(text).await.unwrap();
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, text, "nothing is put in once it is no HTTP any more");
    }
    stream.shutdown().await.unwrap();
    let end = stream.read(&mut [0]).await;
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof));
}
