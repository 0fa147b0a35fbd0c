//! What is asked of the control plane.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use reveille::{Client, SandboxOrder};
use reveille_faults::{FaultServer, Script, Step};

use crate::harness::{builder, client};

fn asked(of: impl Fn(&Client)) -> Vec<String> {
    let server = FaultServer::start(Step::ok(r#"{"metadata":{"name":"box"}}"#)).unwrap();
    of(&client(&server));
    server.arrivals().iter().map(|arrival| format!("{} {}", arrival.method, arrival.target)).collect()
}

#[test]
fn a_list_is_filtered_and_sorted_by_the_server() {
    let asked = asked(|client| {
        let list = client.sandboxes().list().search("a b").external_id("x&y").status("DEPLOYED,FAILED");
        let list = list.sort(SandboxOrder::Newest).with_terminated().limit(200).cursor("c");
        // What answers here is a record, and no page.
        assert_eq!(list.wait().unwrap_err().kind(), reveille::ErrorKind::Decode);
    });
    let wanted = "GET /sandboxes?q=a%20b&externalId=x%26y&status=DEPLOYED%2CFAILED&sort=createdAt%3Adesc\
                  &showTerminated=true&limit=200&cursor=c";
    assert_eq!(asked, [wanted]);
}

#[test]
fn a_sandbox_is_made_only_where_it_is_missing_and_found_by_the_callers_own_name() {
    let asked = asked(|client| {
        client.sandboxes().create("box").if_missing().wait().unwrap();
        client.sandboxes().get_by_external_id("mine/1").wait().unwrap();
        assert!(client.sandboxes().get_by_external_id("").wait().is_err());
    });
    let wanted = ["POST /sandboxes?createIfNotExist=true", "GET /sandboxes/by-external-id/mine%2F1"];
    assert_eq!(asked, wanted);
}

/// Takes one request, answers `{}`, and gives its body.
fn taken(listener: &TcpListener) -> serde_json::Value {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut length = 0;
    for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn what_is_said_of_a_sandbox_that_is_to_be_made_is_what_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = builder(&url).region("eu").build().unwrap();
    let create = client.sandboxes().create("box").image("base").memory(2048).env("A", "b").secret("S", "t");
    let create = create.port(3000).ttl("24h").label("team", "a").external_id("e").display_name("My box");
    let create = create.volume("v", "/mnt/v").read_only_volume("w", "/mnt/w");
    let made = std::thread::spawn(|| create.wait());
    let wanted = serde_json::json!({
        "metadata": {"name": "box", "displayName": "My box", "externalId": "e", "labels": {"team": "a"}},
        "spec": {"region": "eu", "runtime": {
            "image": "base", "memory": 2048, "ports": [{"target": 3000}], "ttl": "24h",
            "envs": [{"name": "A", "value": "b"}, {"name": "S", "value": "t", "secret": true}],
        }, "volumes": [
            {"name": "v", "mountPath": "/mnt/v"}, {"name": "w", "mountPath": "/mnt/w", "readOnly": true},
        ]},
    });
    assert_eq!(taken(&listener), wanted);
    made.join().unwrap().unwrap();
    let elsewhere = client.sandboxes().create("box").region("us");
    let made = std::thread::spawn(|| elsewhere.wait());
    assert_eq!(taken(&listener)["spec"]["region"], "us");
    made.join().unwrap().unwrap();
    assert!(client.sandboxes().create("No_Name").wait().is_err());
}

#[test]
fn previews_are_asked_for_by_the_name_of_their_sandbox() {
    let asked = asked(|client| {
        let previews = client.sandbox("box").previews();
        previews.get("a/b").wait().unwrap();
        previews.create("web", 3000).public().wait().unwrap();
        previews.delete("web").wait().unwrap();
        previews.create_token("web", "2026-12-01T00:00:00Z").wait().unwrap();
        previews.delete_token("web", "t").wait().unwrap();
        for refused in [
            previews.get("..").wait().unwrap_err(),
            previews.create("web", 70_000).wait().unwrap_err(),
            client.sandbox_at("http://127.0.0.1:9").previews().get("web").wait().unwrap_err(),
        ] {
            assert_eq!((refused.kind(), refused.attempts()), (reveille::ErrorKind::Input, 0), "{refused}");
        }
    });
    let wanted = [
        "GET /sandboxes/box/previews/a%2Fb",
        "POST /sandboxes/box/previews",
        "DELETE /sandboxes/box/previews/web",
        "POST /sandboxes/box/previews/web/tokens",
        "DELETE /sandboxes/box/previews/web/tokens/t",
    ];
    assert_eq!(asked, wanted);
}

#[test]
fn what_outlives_sandboxes_is_asked_for_by_its_name() {
    let asked = asked(|client| {
        let (volumes, drives, images) = (client.volumes(), client.drives(), client.images());
        volumes.create("v").size(64).wait().unwrap();
        volumes.get("v").wait().unwrap();
        volumes.update(&reveille::Volume::default()).wait().unwrap_err();
        volumes.delete("a/b").wait().unwrap();
        drives.create("d").wait().unwrap();
        drives.get("d").wait().unwrap();
        drives.delete("d").wait().unwrap();
        images.import("team/app:1", "archive").wait().unwrap();
        images.delete("team/app:1").wait().unwrap();
        for refused in [images.delete("a//b").wait().unwrap_err(), images.delete("../x").wait().unwrap_err()]
        {
            assert_eq!((refused.kind(), refused.attempts()), (reveille::ErrorKind::Input, 0), "{refused}");
        }
        // An answer of another kind is no empty list.
        for error in [
            volumes.list().wait().map(drop).unwrap_err(),
            drives.list().wait().map(drop).unwrap_err(),
            images.list().cursor("x").wait().map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), reveille::ErrorKind::Decode, "{error}");
        }
    });
    let wanted = [
        "POST /volumes",
        "GET /volumes/v",
        "DELETE /volumes/a%2Fb",
        "POST /drives",
        "GET /drives/d",
        "DELETE /drives/d",
        "PUT /images/team/app%3A1",
        "DELETE /images/team/app%3A1",
        "GET /volumes",
        "GET /drives",
        "GET /images?cursor=x",
    ];
    assert_eq!(asked, wanted);
}

#[test]
fn every_list_of_the_control_plane_is_followed_to_its_last_page() {
    let page = |name: &str, meta: &str| {
        Step::ok(format!(r#"{{"data":[{{"metadata":{{"name":"{name}"}}}}],"meta":{meta}}}"#))
    };
    let (first, last) = (page("a", r#"{"hasMore":true,"nextCursor":"x"}"#), page("b", "{}"));
    let script = [&first, &last]
        .into_iter()
        .cycle()
        .take(6)
        .fold(Script::new(), |script, step| script.step(step.clone()));
    let server = FaultServer::start(script).unwrap();
    let client = client(&server);
    let mut names = Vec::new();
    for page in client.volumes().list().limit(1).pages() {
        names.extend(page.unwrap().data.into_iter().map(|volume| volume.metadata.name));
    }
    for page in client.drives().list().pages() {
        names.extend(page.unwrap().data.into_iter().map(|drive| drive.metadata.name));
    }
    for page in client.images().list().pages() {
        names.extend(page.unwrap().data.into_iter().map(|image| image.metadata.name));
    }
    assert_eq!(names, ["a", "b", "a", "b", "a", "b"]);
    assert_eq!(server.arrivals()[1].target, "/volumes?limit=1&cursor=x");
}

#[test]
fn a_record_that_is_put_back_is_sent_whole_with_what_this_client_does_not_know() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let record = r#"{"metadata":{"name":"box","labels":{"team":"a"}},"spec":{"novel":{"kept":true}}}"#;
    let server = FaultServer::start(Step::ok(record)).unwrap();
    let mut found = client(&server).sandboxes().get("box").wait().unwrap();
    found.metadata.labels.insert("team".to_owned(), "b".to_owned());
    let updating = std::thread::spawn(move || {
        let client = builder(&url).build().unwrap();
        client.sandboxes().update(&found).wait().unwrap();
        found.metadata.name = "No Name".to_owned();
        client.sandboxes().update(&found).wait().unwrap_err().kind()
    });
    let sent = taken(&listener);
    assert_eq!(sent["metadata"]["labels"]["team"], "b");
    assert_eq!(sent["spec"]["novel"]["kept"], true);
    assert_eq!(
        updating.join().unwrap(),
        reveille::ErrorKind::Input,
        "nothing is sent for a name that is none"
    );
}
