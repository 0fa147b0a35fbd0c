use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stand::{NAME, Stand, ask, client, get, head_of};
use crate::egress::{Domains, Policy, Route, Routing};

const SECRET: &str = "sk-live-1";

async fn stand() -> Stand {
    let route = Route::to([NAME.parse().unwrap()]).with_secret("k", SECRET).unwrap();
    let route = route.with_secret("lines", "one\r\nx-injected: two").unwrap();
    Stand::with([route.with_header("authorization", "Bearer {{SECRET:k}}").unwrap()]).await
}

/// What is said to a text on a connection of a client.
async fn said(stand: &Stand, text: &str) -> String {
    let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    head_of(&mut stream).await
}

#[tokio::test]
async fn a_request_for_another_host_goes_nowhere() {
    let stand = stand().await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nhost: api.example.evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nhost: api.example@evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nhost: evil.example@api.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nhost: \r\n\r\n", "421"),
        ("GET https://evil.example/ HTTP/1.1\r\nhost: api.example\r\n\r\n", "421"),
        ("GET https://api.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nhost: api.example\r\nhost: evil.example\r\n\r\n", "400"),
        ("CONNECT evil.example:443 HTTP/1.1\r\nhost: api.example\r\n\r\n", "405"),
        ("TRACE / HTTP/1.1\r\nhost: api.example\r\n\r\n", "405"),
    ] {
        let said = said(&stand, head).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{head}{said}");
        assert!(!said.contains(SECRET));
    }
    assert_eq!(stand.server.had(), 0);
    for head in [
        "GET / HTTP/1.1\r\nhost: API.example.:443\r\n\r\n",
        "GET https://api.example/ HTTP/1.1\r\nhost: api.example\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let said = said(&stand, head).await;
        assert!(said.contains(" 200 OK"), "{head}{said}");
    }
}

#[tokio::test]
async fn the_name_in_the_handshake_says_nothing() {
    let stand = stand().await;
    // A client that names another host meets a certificate for the one that it connected to, and leaves.
    let stream = stand.connected("other.example:443").await;
    let blind = super::stand::secured(stream, NAME, stand.trusted()).await;
    assert!(blind.is_err(), "no route leads to the host that it connected to, whatever it says later");
    let stream = stand.connected(&format!("{NAME}:443")).await;
    assert!(super::stand::secured(stream, "other.example", stand.trusted()).await.is_err());
    assert_eq!(stand.server.had(), 0);
}

#[tokio::test]
async fn a_secret_that_cannot_stand_in_a_header_is_not_sent_in_half() {
    let stand = stand().await;
    let mut client = stand.client().await;
    let answer = ask(&mut client, get("/").header("x-own", "{{SECRET:lines}}").body("").unwrap()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("x-own") && !answer.text().contains("two"), "{answer:?}");
    assert_eq!(stand.server.had(), 0);
}

#[tokio::test]
async fn what_a_client_lists_as_its_own_connection_s_takes_nothing_of_the_route_away() {
    let stand = stand().await;
    let request = get("/").header("connection", "authorization, host").header("authorization", "mine");
    let got = ask(&mut stand.client().await, request.body("").unwrap()).await.got();
    assert_eq!(got["headers"]["authorization"], format!("Bearer {SECRET}"));
}

#[tokio::test]
async fn who_speaks_something_else_is_cut_and_reaches_nobody() {
    let stand = stand().await;
    for text in [
        &b"GET / HTTP/1.1\r\nhost: api.example\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        b"\x00\xff",
        b"\x16\x03\x01\x00\x01\x00",
    ] {
        let mut stream = stand.connected(&format!("{NAME}:443")).await;
        stream.write_all(text).await.unwrap();
        stream.shutdown().await.ok();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.ok();
        assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1 2"), "{said:?}");
    }
    assert_eq!(stand.server.had(), 0);
}

#[tokio::test]
async fn a_client_that_breaks_off_anywhere_reaches_nobody_and_harms_nobody() {
    let stand = stand().await;
    let head = format!(
        "POST /x HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{\"a\":123"
    );
    for length in 0..=head.len() {
        let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
        stream.write_all(&head.as_bytes()[..length]).await.unwrap();
        drop(stream);
    }
    // What is changed is sent when it is whole.
    assert_eq!(ask(&mut stand.client().await, get("/").body("").unwrap()).await.status, 200);
    assert_eq!(stand.server.had(), 1);
}

#[tokio::test]
async fn a_server_that_breaks_off_is_not_taken_for_one_that_has_ended() {
    let (acceptor, roots) = super::stand::acceptor();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = super::stand::server().await;
    server.address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for said in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "no http\r\n\r\n"] {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            head_of(&mut stream).await;
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    });
    let route = Route::to([NAME.parse().unwrap()]).with_header("x-added", "1").unwrap();
    let stand = Stand::before(server, roots, open().with_routing(Routing::new([route])), None).await;
    let head = format!("GET / HTTP/1.1\r\nhost: {NAME}\r\n\r\n");
    assert!(said(&stand, &head).await.starts_with("HTTP/1.1 502"));
    let mut stream = stand.secured(&format!("{NAME}:443"), NAME).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).await.ok();
    let whole = String::from_utf8(whole).unwrap();
    assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("half"), "{whole}");
    assert!(said(&stand, &head).await.starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn who_leaves_while_it_waits_takes_its_request_along() {
    let (acceptor, roots) = super::stand::acceptor();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = super::stand::server().await;
    server.address = listener.local_addr().unwrap();
    let route = Route::to([NAME.parse().unwrap()]).with_header("x-added", "1").unwrap();
    let stand = Stand::before(server, roots, open().with_routing(Routing::new([route])), None).await;
    let mut client = stand.secured(&format!("{NAME}:443"), NAME).await;
    client.write_all(format!("GET / HTTP/1.1\r\nhost: {NAME}\r\n\r\n").as_bytes()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut behind = acceptor.accept(stream).await.unwrap();
    head_of(&mut behind).await;
    drop(client);
    // It hears of that as of any client that leaves.
    assert_eq!(behind.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn without_an_authority_a_route_is_refused_and_the_rest_passes() {
    let route = Route::to(["routed.example".parse().unwrap()]).with_header("x-added", "1").unwrap();
    let stand = Stand::without_authority(open().with_routing(Routing::new([route]))).await;
    let (_, said) = stand.said_to_connect("routed.example:443").await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    let (_, said) = stand.said_to_connect(&format!("{NAME}:443")).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}

fn open() -> Policy {
    Policy::from(Domains::all())
}

#[tokio::test]
async fn a_name_that_is_none_leads_nowhere() {
    let stand = stand().await;
    for target in ["api.example", "api.example:0x1", "a\tb:443", ":443", "api.example:99999"] {
        let (_, said) = stand.said_to_connect(target).await;
        assert!(said.starts_with("HTTP/1.1 4") || said.is_empty(), "{target}: {said}");
    }
    let capitals = stand.secured("API.Example.:443", NAME).await;
    assert_eq!(ask(&mut client(capitals).await, get("/").body("").unwrap()).await.status, 200);
}
