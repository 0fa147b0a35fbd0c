//! Ports of processes and who is told of them; tools.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::running::Running;

/// Listens on a port for as long as its standard input is open.
const LISTENS: &str =
    "python3 -c \"import socket,time; s=socket.create_server(('127.0.0.1',0)); time.sleep(60)\"";

#[test]
fn what_was_restarted_has_its_ports_under_the_number_that_it_is_known_by() {
    let agent = Running::start(&[]);
    let known = tempfile::tempdir().unwrap();
    let second = known.path().join("second");
    let command = format!("[ -e {0} ] || {{ touch {0}; exit 1; }}; exec {LISTENS}", second.display());
    let wanted = json!({"command": command, "restartOnFailure": true, "maxRestarts": 1});
    let begun = agent.begin(&wanted);
    let pid = begun["pid"].as_str().unwrap();
    let listens = |ports: &Value| ports["ports"][0]["state"] == "LISTEN";
    let ports = agent.wait_for(&format!("/network/process/{pid}/ports"), listens);
    assert_eq!(ports["pid"], pid.parse::<i32>().unwrap());
    assert_ne!(ports["ports"][0]["pid"], ports["pid"]);
    assert_eq!(agent.ask("DELETE", &format!("/process/{pid}/kill"), None).0, 200);
}

#[test]
fn whoever_asked_is_told_of_a_port_that_opens() {
    let agent = Running::start(&[]);
    let waiting = TcpListener::bind("127.0.0.1:0").unwrap();
    // A shell that is no longer there could not be the parent of what listens.
    let begun = agent.begin(&json!({"command": format!("{LISTENS} & wait")}));
    let pid = begun["pid"].as_str().unwrap();
    let callback = format!("http://{}/told?x=1", waiting.local_addr().unwrap());
    let monitor = format!("/network/process/{pid}/monitor");
    assert_eq!(agent.ask("POST", &monitor, Some(&json!({"callback": callback}))).0, 200);

    let (mut stream, _) = waiting.accept().unwrap();
    let mut from = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /told?x=1 HTTP/1.1\r\n"), "{head}");
    let told: Value = serde_json::from_slice(&body).unwrap();
    let (_, ports) = agent.ask("GET", &format!("/network/process/{pid}/ports"), None);
    assert_eq!(told, json!({"pid": pid.parse::<i32>().unwrap(), "port": ports["ports"][0]["localPort"]}));
    assert_eq!(agent.ask("DELETE", &monitor, None).0, 200);
    assert_eq!(agent.ask("DELETE", &format!("/process/{pid}/kill"), None).0, 200);
}

#[test]
fn nobody_is_told_at_what_is_no_plain_url() {
    let agent = Running::start(&[]);
    for bad in
        [json!({}), json!({"callback": "https://h/"}), json!({"callback": "h"}), json!({"callback": 5})]
    {
        assert_eq!(agent.ask("POST", "/network/process/1/monitor", Some(&bad)).0, 400, "{bad}");
    }
}

#[test]
fn what_only_the_platform_has_is_refused_in_json() {
    let agent = Running::start(&[]);
    let (status, said) = agent.ask("GET", "/archive/status", None);
    assert_eq!(status, 501, "{said}");
    assert!(said["error"].is_string());
    assert_eq!(agent.ask("POST", "/archive/export", Some(&json!({"url": "http://h"}))).0, 501);
    assert_eq!(agent.ask("DELETE", "/network/tunnel", None).0, 400);
}

#[test]
fn what_can_be_asked_is_told_and_is_there() {
    // What is asked for may leave something behind.
    let place = tempfile::tempdir().unwrap();
    let room = place.path().to_str().unwrap();
    let agent = Running::inside("env", &["-C", room, &format!("TMPDIR={room}")], &[]);
    let (_, welcome) = agent.ask("GET", "/", None);
    let (status, reference) = agent.ask("GET", welcome["apiReference"].as_str().unwrap(), None);
    assert_eq!((status, &reference["swagger"]), (200, &"2.0".into()));
    for (path, operations) in reference["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            // A number that is no process, a name of nobody, a file that is not there.
            let target = path.replace("{pid}", "0").replace(['{', '}'], "");
            let mut answer = agent.send(&method.to_uppercase(), &target, &[], None);
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status == 404 {
                let said = String::from_utf8(answer.read().unwrap()).unwrap();
                assert!(!said.contains("no such endpoint"), "{method} {path}: {said}");
            }
        }
    }
}

#[test]
fn a_tool_does_not_touch_a_file_that_is_no_text() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("f");
    fs::write(&file, b"one\xfftwo").unwrap();
    let edit = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fsEditFile",
        "arguments": {"path": file, "oldString": "one", "newString": "1"}}});
    let (status, told) = agent.ask("POST", "/mcp", Some(&edit));
    assert_eq!((status, &told["result"]["isError"]), (200, &true.into()));
    assert_eq!(fs::read(&file).unwrap(), b"one\xfftwo");
}

#[test]
fn a_tool_that_asks_a_process_to_stop_tells_how_it_stands() {
    let agent = Running::start(&[]);
    let used = |tool: &str| {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": {"identifier": "deaf"}}});
        agent.ask("POST", "/mcp", Some(&call)).1["result"]["structuredContent"].take()
    };
    agent.begin(&json!({"command": "trap '' TERM; echo ready; while :; do sleep 1; done", "name": "deaf"}));
    agent.wait_for("/process/deaf", |process| process["stdout"] == "ready\n");
    assert_eq!(used("processStop"), json!({"status": "running"}));
    assert_eq!(used("processKill"), json!({"status": "killed"}));
}

#[test]
fn tools_for_writing_code_find_and_read_what_is_in_the_working_directory() {
    let place = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("src/deep/needle.ts", "one\nfind Me 12\nthree\n"),
        ("src/needle.test.ts", "find me 34\n"),
        ("node_modules/needle.ts", "find me 56\n"),
    ] {
        let file = place.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    let agent = Running::inside("env", &["-C", place.path().to_str().unwrap()], &[]);
    let used = |name: &str, arguments: Value| {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": name, "arguments": arguments}});
        agent.ask("POST", "/mcp", Some(&call)).1["result"].take()
    };
    let found =
        |arguments: Value| used("codegenGrepSearch", arguments)["structuredContent"]["results"].take();
    assert_eq!(
        found(json!({"query": "find me [0-9]+"})),
        "src/deep/needle.ts:2:find Me 12\nsrc/needle.test.ts:1:find me 34\n"
    );
    assert_eq!(
        found(json!({"query": "find me", "caseSensitive": true})),
        "src/needle.test.ts:1:find me 34\n"
    );
    let only = json!({"query": "find", "includePattern": "src/**", "excludePattern": "*.test.ts"});
    assert_eq!(found(only), "src/deep/needle.ts:2:find Me 12\n");
    assert_eq!(found(json!({"query": "nowhere"})), "");
    assert_eq!(used("codegenGrepSearch", json!({"query": "("}))["isError"], true);
    let root = fs::canonicalize(place.path()).unwrap();
    let matches = used("codegenFileSearch", json!({"query": "deepneedle"}))["structuredContent"].take();
    let wanted = json!([root.join("src/deep/needle.ts")]);
    assert_eq!((&matches["matches"], &matches["success"]), (&wanted, &json!(true)));
    let none = used("codegenFileSearch", json!({"query": "nothing-like-it", "directory": "src"}));
    assert_eq!(none["structuredContent"]["matches"], json!([]));
    let range = json!({"targetFile": "src/deep/needle.ts", "startLineOneIndexed": 2, "endLineOneIndexedInclusive": 3});
    assert_eq!(
        used("codegenReadFileRange", range)["structuredContent"],
        json!({"success": true, "content": "find Me 12\nthree", "file": "src/deep/needle.ts"})
    );
    let listed = used("codegenListDir", json!({"relativeWorkspacePath": "."}))["structuredContent"].take();
    let names: Vec<&str> = listed["directory"]["subdirectories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|directory| directory["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["node_modules", "src"]);
    assert_eq!(
        used("codegenListDir", json!({"relativeWorkspacePath": "src/needle.test.ts"}))["isError"],
        true
    );
}

#[test]
fn several_messages_at_once_are_answered_at_once() {
    let agent = Running::start(&[]);
    let ping = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let silent = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let (_, told) = agent.ask("POST", "/mcp", Some(&json!([ping(1), silent, ping(2)])));
    let answer = |id: u32| json!({"jsonrpc": "2.0", "id": id, "result": {}});
    assert_eq!(told, json!([answer(1), answer(2)]));
}
