//! Names of which some requests are allowed.

use http::{Method, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stand::{NAME, Stand, ask, get, head_of, post};
use crate::egress::{Domains, Policy, Route, Routing};

fn allowing(patterns: &[&str]) -> Policy {
    Domains::new(patterns.iter().map(|pattern| pattern.parse().unwrap()), []).into()
}

#[tokio::test]
async fn each_request_is_read_and_answered_by_itself() {
    let policy = allowing(&["GET:POST:api.example/m-*", "!POST:api.example/n-*"]);
    let stand = Stand::by(policy).await;
    let mut client = stand.client().await;
    for (method, path, status) in [
        (Method::GET, "/m-ok?a=1", 200),
        (Method::POST, "/m-ok", 200),
        (Method::DELETE, "/m-ok", 403),
        (Method::GET, "/n-x", 200),
        (Method::POST, "/n-x", 403),
        (Method::GET, "/unmatched", 403),
        (Method::GET, "/m-/../unmatched", 403),
        (Method::GET, "/m-/%2e%2e/unmatched", 403),
        (Method::OPTIONS, "*", 403),
    ] {
        let before = stand.server.had();
        let request = Request::builder().method(&method).uri(path).header("host", NAME).body("").unwrap();
        let answer = ask(&mut client, request).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(stand.server.had() - before, usize::from(status == 200), "{method} {path}");
        if status == 403 {
            assert_eq!(answer.headers["proxy-error"], "firewall_blocked");
            assert!(answer.text().contains("may ask of api.example"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn what_is_forbidden_of_a_name_is_forbidden_where_a_route_leads_there_too() {
    let domains = Domains::all_but(["api.example/secret".parse().unwrap()]);
    let route = Route::to([NAME.parse().unwrap()]).with_header("x-added", "1").unwrap();
    let stand = Stand::by(Policy::from(domains).with_routing(Routing::new([route]))).await;
    let mut client = stand.client().await;
    let seen = ask(&mut client, get("/public").body("").unwrap()).await;
    assert_eq!(seen.got()["headers"]["x-added"], "1");
    assert_eq!(ask(&mut client, post("/secret/key").body("").unwrap()).await.status, 403);
}

#[tokio::test]
async fn what_passes_unseen_is_cut_when_it_is_to_be_read() {
    let stand = Stand::by(Domains::all().into()).await;
    let mut unseen = stand.connected(&format!("{NAME}:443")).await;
    stand.change(Domains::all_but(["api.example/secret".parse().unwrap()]).into());
    assert_eq!(unseen.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_request_that_offers_http2_in_the_clear_goes_without_the_offer() {
    let stand = Stand::by(allowing(&["api.example/m-*"])).await;
    let mut client = stand.client().await;
    let request = get("/m-ok").header("connection", "Upgrade, HTTP2-Settings").header("upgrade", "h2c");
    let answer = ask(&mut client, request.header("http2-settings", "AAMAAABk").body("").unwrap()).await;
    assert_eq!((answer.status.as_u16(), stand.server.had()), (200, 1));
}

#[tokio::test]
async fn what_cannot_be_read_goes_nowhere() {
    let stand = Stand::by(allowing(&["api.example/x"])).await;
    let mut tunnel = stand.connected(&format!("{NAME}:443")).await;
    tunnel.write_all(b"GET /x HTTP/1.1\r\nhost: api.example\r\n\r\n").await.unwrap();
    assert_eq!(tunnel.read(&mut [0]).await.unwrap_or(0), 0, "what is not TLS");
    let mut secured = stand.secured(&format!("{NAME}:443"), NAME).await;
    let other = "GET /x HTTP/1.1\r\nhost: api.example\r\nconnection: upgrade\r\nupgrade: odd/1\r\n\r\n";
    secured.write_all(other.as_bytes()).await.unwrap();
    let said = head_of(&mut secured).await;
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    assert_eq!(stand.server.had(), 0);
    let stand = Stand::without_authority(allowing(&["api.example/x"])).await;
    let (_, said) = stand.said_to_connect(&format!("{NAME}:443")).await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
}
