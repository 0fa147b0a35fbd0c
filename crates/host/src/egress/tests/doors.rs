use http::{HeaderMap, Request, Uri};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stand::{Answer, NAME, Server, Stand, ask, client, plain_server};
use crate::egress::{Domains, Doors, Policy, Route, Routing};

const DOOR: &str = "a.preview.localhost";

/// As the host has it: by a name, or below a path.
fn is_door(uri: &Uri, headers: &HeaderMap) -> bool {
    let named = headers.get("host").and_then(|host| host.to_str().ok());
    let host = uri.host().or(named).unwrap_or_default();
    host.split(':').next() == Some(DOOR) || uri.path().starts_with("/preview/")
}

async fn stand(policy: Policy) -> (Stand, Server) {
    // What is no door is taken to another server, which nothing here may reach.
    let (host, elsewhere) = (plain_server().await, plain_server().await);
    let doors = Doors { address: host.address, is_door };
    (Stand::before(elsewhere, rustls::RootCertStore::empty(), policy, Some(doors)).await, host)
}

fn open() -> Policy {
    Policy::from(Domains::all())
}

async fn asked(stand: &Stand, target: &str, host: &str, path: &str) -> Answer {
    let name = target.rsplit_once(':').unwrap().0.to_owned();
    let stream = stand.secured(target, &name).await;
    let request = Request::builder().uri(path).header("host", host).body("").unwrap();
    ask(&mut client(stream).await, request).await
}

#[tokio::test]
async fn a_preview_is_reached_by_https_and_by_http_with_and_without_a_routing() {
    for policy in [open(), open().with_routing(Routing::default())] {
        let has_routing = policy.routing().is_some();
        let (stand, host) = stand(policy).await;
        let port = host.address.port();
        for (target, host, path) in [
            (format!("{DOOR}:443"), DOOR.to_owned(), "/x"),
            (format!("{DOOR}:{port}"), format!("{DOOR}:{port}"), "/x"),
            (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}"), "/preview/a/x"),
            ("127.0.0.1:443".to_owned(), format!("127.0.0.1:{port}"), "/preview/a/x"),
        ] {
            let answer = asked(&stand, &target, &host, path).await;
            let got = answer.got();
            assert_eq!((&got["target"], &got["headers"]["host"]), (&path.into(), &host.into()), "{target}");
            assert_eq!(got["headers"]["x-forwarded-proto"], "https");
            assert_eq!(answer.headers["x-blaxel-request-id"] != "forged", has_routing);
        }
        let mut stream = TcpStream::connect(stand.proxy).await.unwrap();
        let head = format!(
            "GET http://{DOOR}:{port}/x HTTP/1.1\r\nhost: {DOOR}:{port}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200") && said.contains(r#""x-forwarded-proto":"http""#), "{said}");
        let plain = stand.connected(&format!("{DOOR}:80")).await;
        let request = Request::builder().uri("/x").header("host", DOOR).body("").unwrap();
        assert_eq!(ask(&mut client(plain).await, request).await.status, 200);
        assert_eq!(stand.server.had(), 0);
    }
}

#[tokio::test]
async fn nothing_else_of_the_host_is_reached() {
    let (stand, host) = stand(open()).await;
    let port = host.address.port();
    let at = format!("127.0.0.1:{port}");
    for (target, named, path) in [
        (&*at, &*at, "/v0/sandboxes"),
        (&at, &at, "/local/sandboxes/other/health"),
        (&at, &at, "/metrics"),
        (&at, &at, "/previews"),
        (&at, &at, "/Preview/a/"),
        (&at, &at, "/v0/../preview/a/"),
        (&at, &at, "//preview/a/"),
    ] {
        let answer = asked(&stand, target, named, path).await;
        assert_eq!(answer.status, 403, "{target} {path}: {answer:?}");
    }
    for (target, named) in [(&*at, DOOR), (&*format!("{DOOR}:443"), &*at), (&at, "localhost")] {
        let answer = asked(&stand, target, named, "/preview/a/").await;
        assert_eq!(answer.status, 421, "{target} {named}: {answer:?}");
    }
    assert_eq!(host.had(), 0);
}

#[tokio::test]
async fn a_route_to_a_preview_is_carried_out_and_a_list_of_names_holds_for_it() {
    let route = Route::to(["*.preview.localhost".parse().unwrap()]).with_secret("k", "K").unwrap();
    let routing = Routing::new([route.with_header("x-key", "{{SECRET:k}}").unwrap()]);
    let (stand, host) = stand(open().with_routing(routing.clone())).await;
    let got = asked(&stand, &format!("{DOOR}:443"), DOOR, "/").await.got();
    assert_eq!(got["headers"]["x-key"], "K");
    let at = format!("127.0.0.1:{}", host.address.port());
    assert_eq!(asked(&stand, &at, &at, "/preview/a").await.got()["headers"]["x-key"], Value::Null);
    stand.change(Policy::from(Domains::new([NAME.parse().unwrap()], [])).with_routing(routing));
    for target in [format!("{DOOR}:443"), at] {
        let (_, said) = stand.said_to_connect(&target).await;
        assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    }
}
