//! Uploads in parts, and copies.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::asking::PATIENCE;
use crate::http::{self, Request};
use crate::running::Running;

const BOUNDARY: &str = "between-the-parts";

fn agent(temporary: &std::path::Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reveille-agent"));
    command.args(["--listen", "127.0.0.1:0"]).env("TMPDIR", temporary);
    Running::started(command)
}

fn put_part(agent: &Running, id: &str, number: u32, content: &[u8]) -> (u16, Value) {
    let head =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
    let body = [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let stream = http::connect(&agent.host, PATIENCE).unwrap();
    let headers = vec![("Content-Type".to_owned(), format!("multipart/form-data; boundary={BOUNDARY}"))];
    let target = format!("/filesystem-multipart/{id}/part?partNumber={number}");
    let request = Request { method: "PUT", target: &target, headers, body: Some(body) };
    let mut answer = http::send(&stream, &agent.host, &request).unwrap();
    let told = serde_json::from_slice(&answer.read().unwrap()).unwrap();
    (answer.status, told)
}

fn begin(agent: &Running, file: &std::path::Path) -> String {
    let target = format!("/filesystem-multipart/initiate/{}", file.display());
    agent.ask("POST", &target, Some(&json!({"permissions": "0600"}))).1["uploadId"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn an_upload_in_parts_goes_on_at_an_agent_that_was_started_anew() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("below/f");
    let first = agent(place.path());
    let id = begin(&first, &file);
    let (_, one) = put_part(&first, &id, 1, b"one ");
    nix::sys::signal::kill(first.pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    drop(first);

    let second = agent(place.path());
    let (_, parts) = second.ask("GET", &format!("/filesystem-multipart/{id}/parts"), None);
    assert_eq!(parts["parts"][0]["etag"], one["etag"]);
    assert_eq!(
        second.ask("GET", "/filesystem-multipart", None).1["uploads"][0]["path"],
        file.display().to_string()
    );
    let (_, two) = put_part(&second, &id, 2, b"two");
    let end = json!({"parts": [
        {"partNumber": 2, "etag": two["etag"]},
        {"partNumber": 1, "etag": format!("\"{}\"", one["etag"].as_str().unwrap())},
    ]});
    assert_eq!(second.ask("POST", &format!("/filesystem-multipart/{id}/complete"), Some(&end)).0, 200);
    assert_eq!(fs::read(&file).unwrap(), b"one two");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(second.ask("GET", "/filesystem-multipart", None).1, json!({"uploads": []}));
}

#[test]
fn of_one_part_that_is_sent_many_times_at_once_one_stays() {
    let place = tempfile::tempdir().unwrap();
    let agent = agent(place.path());
    let id = begin(&agent, &place.path().join("f"));
    std::thread::scope(|scope| {
        for at in 0..16_u8 {
            let (agent, id) = (&agent, &id);
            scope.spawn(move || assert_eq!(put_part(agent, id, 1, &vec![at; 10_000]).0, 200));
        }
    });
    let (_, parts) = agent.ask("GET", &format!("/filesystem-multipart/{id}/parts"), None);
    assert_eq!(parts["parts"].as_array().unwrap().len(), 1, "{parts}");
    let end = json!({"parts": [{"partNumber": 1, "etag": parts["parts"][0]["etag"]}]});
    assert_eq!(agent.ask("POST", &format!("/filesystem-multipart/{id}/complete"), Some(&end)).0, 200);
    let content = fs::read(place.path().join("f")).unwrap();
    assert!(content.len() == 10_000 && content.iter().all(|byte| *byte == content[0]));
}

#[test]
fn a_copy_is_placed_as_cp_places_it() {
    let place = tempfile::tempdir().unwrap();
    let agent = agent(place.path());
    let root = place.path();
    fs::create_dir_all(root.join("from/sub")).unwrap();
    fs::write(root.join("from/sub/f"), "x").unwrap();
    fs::set_permissions(root.join("from/sub/f"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("sub/f", root.join("from/link")).unwrap();
    let copy = |source: &str, destination: &str, no_overwrite: bool| {
        let at = |name: &str| root.join(name).display().to_string();
        let body = json!({"source": at(source), "destination": at(destination), "noOverwrite": no_overwrite});
        agent.ask("POST", "/filesystem-copy", Some(&body))
    };
    assert_eq!(copy("from", "to", false).0, 200);
    assert_eq!(fs::read(root.join("to/sub/f")).unwrap(), b"x");
    assert_eq!(fs::metadata(root.join("to/sub/f")).unwrap().permissions().mode() & 0o7777, 0o750);
    assert_eq!(fs::read_link(root.join("to/link")).unwrap(), std::path::Path::new("sub/f"));
    assert_eq!(copy("from", "to", false).0, 200);
    assert!(root.join("to/from/sub/f").exists(), "into a directory that is there");
    let (status, refused) = copy("from/sub/f", "to/sub/f", true);
    assert_eq!((status, &refused["code"]), (409, &"FILE_ALREADY_EXISTS".into()));
    assert_eq!(copy("from/sub/f", "to/g", true).0, 200);
    assert_eq!(copy("no", "to", false).0, 404);
    assert_eq!(copy("from", "from/sub", false).0, 422, "into itself");
    assert_eq!(copy("from/sub/f", "from/link", false).0, 422, "onto itself");
    assert_eq!(fs::read(root.join("from/sub/f")).unwrap(), b"x");
}

#[test]
fn of_copies_that_may_replace_nothing_one_comes_first() {
    let place = tempfile::tempdir().unwrap();
    let agent = agent(place.path());
    let at = |name: &str| place.path().join(name).display().to_string();
    fs::write(at("file"), "x").unwrap();
    symlink("nowhere", at("link")).unwrap();
    for source in ["file", "link"] {
        for round in 0..10 {
            let body = json!({
                "source": at(source), "destination": at(&format!("{source}-{round}")), "noOverwrite": true
            });
            let mut statuses = thread::scope(|scope| {
                let copies: Vec<_> = (0..6)
                    .map(|_| scope.spawn(|| agent.ask("POST", "/filesystem-copy", Some(&body)).0))
                    .collect();
                copies.into_iter().map(|copy| copy.join().unwrap()).collect::<Vec<_>>()
            });
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409, 409, 409, 409], "{source}");
        }
    }
    let left = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with('.')), "no drafts are left");
}
