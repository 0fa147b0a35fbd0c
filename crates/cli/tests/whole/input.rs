//! Bad input: each gets a clear error, and nothing panics.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::place::{Host, Place, Said, serve};

#[track_caller]
fn refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.out.is_empty(), "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "no {word:?} in {said:?}");
    }
    assert!(!said.err.contains("panicked"), "{said:?}");
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is_sent() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    for port in ["0", "65536", "-1", "99999999999999999999", "http"] {
        refused(&place.run(["fetch", "box", port]), 2, &["is not a port", "1 to 65535"]);
    }
    refused(&place.run(["fetch", "box", "80", "/", "-H", "a: b\r\nc: d"]), 2, &["line break"]);
    refused(&place.run(["fetch", "box", "80", "/", "-H", "nonsense"]), 2, &["name:value"]);
    refused(&place.run(["fetch", "box", "80", "/", "-X", "G T"]), 2, &["is not a method"]);
    refused(
        &place.run(["fetch", "box", "80", "/", "-d", "@missing"]),
        2,
        &["missing", "no such file or directory"],
    );
    refused(&place.run(["health", "Bad_Name"]), 2, &["is not a sandbox name"]);
    refused(&place.run(["health", "ftp://box"]), 2, &["sandbox URL"]);
    refused(&place.run(["create", "-bad"]), 2, &[]);
    refused(&place.run(["create", "box", "--ttl", "abc"]), 2, &["--ttl", "30m"]);
    refused(&place.run(["create", "box", "--memory", "much"]), 2, &["--memory", "4g"]);
    refused(&place.run(["health", "box", "--deadline", "60"]), 2, &["60s"]);
    refused(&place.run(["no-such-command"]), 2, &["unrecognized"]);
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    for command in [["get", "nope"], ["health", "nope"], ["delete", "nope"], ["sleep", "nope"]] {
        refused(&place.run(command), 1, &["nope", "reveille list"]);
    }
    refused(&place.run(["fetch", "nope", "3000"]), 1, &["nope", "reveille list"]);
    refused(
        &place.run(["fetch", "nope", "3000", "-N"]),
        1,
        &["404", "no sandbox called nope", "reveille list"],
    );
    let said = place.run(["list"]);
    assert_eq!((said.code, said.text().as_str()), (Some(0), ""));
    assert!(said.err.contains("reveille create"), "{said:?}");
    place.run(["create", "box"]).done();
    refused(&place.run(["create", "box"]), 1, &["reveille get box"]);
}

#[test]
fn odd_paths_arrive_as_they_are() {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let port = serve(&place, "box").to_string();
    for (typed, arrived) in [
        ("/a/../../b", "/b"),
        ("//a//b", "//a//b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a b", "/a%20b"),
        ("/\u{fc}", "/%C3%BC"),
        ("a?q=\u{f6} x", "/a"),
    ] {
        place.run(["fetch", "box", &port, typed]).done();
        let passages = host.passed(1, |request| request["path"] == *format!("/port/{port}{arrived}"));
        assert_eq!(passages.len(), 1, "{typed}: {passages:?}");
    }
}

#[test]
fn wrong_keys_and_other_workspaces_are_told_apart() {
    let place = Place::new();
    std::fs::write(place.path().join("key"), "right\n").unwrap();
    let host = Host::start(&place, &["--key-file", "key"]);
    place.run(["create", "box"]).done();
    let api = format!("{}/v0", host.url());
    let with = |key: &str, workspace: &str| {
        let mut command = place.command();
        command.env("BL_API_URL", &api).env("BL_RUN_URL", host.url());
        command.env("BL_API_KEY", key).env("BL_WORKSPACE", workspace);
        crate::place::said(command.args(["health", "box"]))
    };
    refused(&with("wrong", "local"), 1, &["401", "BL_API_KEY"]);
    let other = with("right", "other");
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.err.contains("workspace") || other.err.contains("WORKSPACE"), "{other:?}");
    assert_eq!(with("right", "local").code, Some(0));
    assert!(!with("wrong", "local").err.contains("wrong"));
}

#[test]
fn credentials_do_not_go_to_a_url_that_was_typed() {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let url = format!("{}/local/sandboxes/box", host.url());
    refused(&place.run(["health", &url]), 1, &["401", "--auth"]);
    place.run(["health", &url, "--auth"]).done();
    place.run(["--auth", "health", &url]).done();
    refused(&place.run(["list", "--host", "http://127.0.0.1:1"]), 2, &["credentials", "--auth"]);
    place.run(["list", "--host", host.url()]).done();
}

#[test]
fn a_config_file_that_is_no_yaml_is_reported_once_and_passed_over() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    fs::create_dir(place.path().join(".blaxel")).unwrap();
    fs::write(place.path().join(".blaxel/config.yaml"), "context: [unclosed").unwrap();
    let said = place.run(["list"]).done();
    assert_eq!(said.err.matches("config.yaml").count(), 1, "{said:?}");
    assert!(!place.run(["list", "--quiet"]).done().err.contains("config.yaml"));
}

#[test]
fn what_is_too_long_to_be_sent_is_named_and_not_repeated() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    let long = "x".repeat(100_000);
    for words in [["logs", "box", &long], ["grep", &long, "box"]] {
        let said = place.run(words);
        refused(&said, 2, &["too long"]);
        assert!(said.err.len() < 300, "{} bytes", said.err.len());
    }
}

#[test]
fn a_host_that_cannot_start_says_why() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&place.run(["host", "--listen", &address]), 1, &["in use", "--listen"]);
    refused(&place.run(["host", "--listen", "localhost:0"]), 2, &["--listen", "127.0.0.1:7878"]);
    for waking in [&[][..], &["--while-waking", "hold"], &["--while-waking", "reset"]] {
        let flags = ["host", "--listen", "127.0.0.1:0", "--reject-with", "404"];
        refused(&place.run(flags.iter().chain(waking)), 2, &["--reject-with", "--while-waking reject"]);
    }

    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let said = place.run(["host", "--listen", "127.0.0.1:0", "--data", file.to_str().unwrap()]);
    refused(&said, 1, &["file", "--data"]);

    let _host = Host::start(&place, &[]);
    refused(&place.run(["host", "--listen", "127.0.0.1:0"]), 1, &["another host", "--data"]);
}

#[test]
fn a_data_directory_that_cannot_be_read_says_so() {
    let place = Place::new();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads everything.
    if fs::read_dir(&data).is_err() {
        let said = place.run(["host", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        refused(&said, 1, &["data", "--data"]);
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
}
