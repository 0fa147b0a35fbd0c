//! Every command, and what it leaves on stdout and stderr.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::place::{Host, Place, line, serve, signal};

#[test]
fn a_sandbox_is_made_looked_at_put_to_sleep_woken_and_removed() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    assert_eq!(place.run(["create", "box", "-l", "a=b"]).done().text(), "box is awake\n");
    let told = place.run(["get", "box", "--json"]).done();
    assert_eq!(told.text().matches("\"reveille\":").count(), 1, "each key once: {told:?}");
    let record = told.json();
    assert!(
        record["reveille"]["limits"].is_object() && record["reveille"]["attempts"].is_array(),
        "{record}"
    );
    assert_eq!((&record["metadata"]["name"], &record["state"]), (&"box".into(), &"RUNNING".into()));
    assert_eq!(record["metadata"]["labels"]["a"], "b");
    assert_eq!(record["reveille"]["attempts"][0]["status"], 200);

    place.run(["sleep", "box"]).done();
    assert!(place.run(["list"]).done().text().contains("box   standby"));
    place.run(["wake", "box"]).done();
    assert_eq!(place.run(["list", "--json"]).done().json()["data"][0]["state"], "RUNNING");
    assert!(place.run(["health", "box"]).done().text().starts_with("ok, agent "));
    place.run(["delete", "box"]).done();
    assert!(place.run(["list"]).done().out.is_empty());
}

#[test]
fn an_upgrade_is_over_when_the_command_comes_back_and_one_to_no_version_fails() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    assert!(place.run(["upgrade", "box"]).done().text().ends_with("goes on, upgraded once\n"));
    let said = place.run(["upgrade", "box", "--json"]).done().json();
    assert_eq!((&said["version"], &said["lastUpgrade"]["status"]), (&"latest".into(), &"completed".into()));
    let said = place.run(["upgrade", "box", "--to", "99.9.9"]);
    assert_eq!((said.code, said.out.len()), (Some(1), 0), "{said:?}");
    assert!(said.err.contains("99.9.9") && said.err.contains("failed"), "{said:?}");
    assert_eq!(place.run(["health", "box", "--json"]).done().json()["upgradeCount"], 2);
    place.run(["upgrade", "box", "--no-wait"]).done();
}

#[test]
fn exec_streams_both_outputs_and_has_the_commands_exit_code() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let said = place.run(["exec", "box", "--", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.code, said.text().as_str(), said.err.as_str()), (Some(7), "out\n", "err\n"));
    assert_eq!(place.run(["exec", "box", "--", "echo", "$HOME", "it's"]).done().text(), "$HOME it's\n");
    assert_eq!(place.run(["exec", "-e", "A=b", "box", "--", "echo $A"]).done().text(), "b\n");
    assert_eq!(place.run(["exec", "box", "printf", "%s", "-n", "--json"]).done().text(), "-n--json");
}

#[test]
fn fetch_writes_the_body_and_nothing_else() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let port = serve(&place, "box").to_string();
    let said = place.run(["fetch", "box", &port, "/"]).done();
    assert_eq!((said.text().as_str(), said.err.as_str()), ("ready\n", ""));
    let said = place.run(["fetch", "box", &port, "/", "--explain"]).done();
    assert!(said.err.starts_with(&format!("  GET /port/{port}/   200 (")), "{said:?}");
    let said = place.run(["fetch", "box", &port, "/", "-i"]).done();
    assert!(said.text().starts_with("HTTP/1.1 200 OK\r\n") && said.text().ends_with("\r\n\r\nready\n"));
    let said = place.run(["fetch", "box", &port, "/", "--json"]).done().json();
    assert_eq!((&said["status"], &said["body"]), (&200.into(), &"ready\n".into()));
    assert_eq!(place.run(["fetch", "box", &port, "/", "-d", ""]).done().text(), "took 0 bytes\n");
    assert_eq!(
        place.feed(&["fetch", "box", &port, "/", "-d", "@-"], b"12345").done().text(),
        "took 5 bytes\n"
    );
    fs::write(place.path().join("body"), vec![b'x'; 3_000_000]).unwrap();
    assert_eq!(place.run(["fetch", "box", &port, "/", "-d", "@body"]).done().text(), "took 3000000 bytes\n");
}

#[test]
fn a_gigabyte_goes_both_ways_with_flat_memory() {
    const GIB: u64 = 1 << 30;
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let port = serve(&place, "box").to_string();
    let limited = |line: &str| {
        let program = env!("CARGO_BIN_EXE_reveille");
        let mut command = std::process::Command::new("sh");
        // 512 MB of address space for data: a body that is held in memory does not fit.
        command.args(["-c", &format!("ulimit -d 524288; exec {program} {line}")]);
        for (name, value) in place.command().get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        crate::place::said(command.current_dir(place.path()))
    };
    limited(&format!("fetch box {port} /bytes/{GIB} -o big")).done();
    assert_eq!(fs::metadata(place.path().join("big")).unwrap().len(), GIB);
    let said = limited(&format!("fetch box {port} / -d @big")).done();
    assert_eq!(said.text(), format!("took {GIB} bytes\n"));
}

#[test]
fn a_download_that_breaks_leaves_nothing_behind() {
    let place = Place::new();
    let script = r#"{"steps": [{"status": 200, "body": "hello", "cut_body": {"after": 2, "end": "reset"}}], "repeat": "last"}"#;
    let server = Faults::start(&place, script);
    let said = place.run(["fetch", &server.url, "80", "/", "-o", "file"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["script.json"], "{said:?}");
}

#[test]
fn a_budget_that_is_spent_is_75_and_fail_is_22() {
    let place = Place::new();
    let server = Faults::start(&place, r#"{"steps": [{"status": 503, "body": "no"}], "repeat": "last"}"#);
    let said = place.run(["fetch", &server.url, "80", "/", "--retries", "1"]);
    assert_eq!((said.code, said.text().as_str()), (Some(75), "no"), "{said:?}");
    assert!(said.err.contains("GET /port/80/: 503 twice in "), "{said:?}");
    let said = place.run(["fetch", &server.url, "80", "/", "--retries", "0", "-i"]);
    assert!(said.code == Some(75) && said.text().ends_with("\r\n\r\nno"), "{said:?}");
    let said = place.run(["fetch", &server.url, "80", "/", "--retries", "0", "-o", "last"]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert_eq!(fs::read_to_string(place.path().join("last")).unwrap(), "no");
    let said = place.run(["fetch", &server.url, "80", "/", "-d", "x"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("it may have run; it was not repeated"), "{said:?}");
    let said = place.run(["--json", "health", &server.url, "--retries", "0"]);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((said.code, &error["exit"]), (Some(75), &75.into()));

    let server = Faults::start(&place, r#"{"steps": [{"status": 404, "body": "no"}], "repeat": "last"}"#);
    assert_eq!(place.run(["fetch", &server.url, "80", "/"]).done().text(), "no");
    let said = place.run(["fetch", &server.url, "80", "/", "--fail"]);
    assert_eq!((said.code, said.out.len()), (Some(22), 0), "{said:?}");
}

#[test]
fn a_pipe_that_closes_ends_a_command_quietly() {
    let place = Place::new();
    let script = r#"{"steps": [{"status": 200, "body": {"endless": "ha"}}]}"#;
    let server = Faults::start(&place, script);
    let mut command = place.command();
    command.args(["fetch", &server.url, "80", "/", "-N"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 1000]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_fault_server_tells_of_each_arrival_and_sums_up() {
    let place = Place::new();
    let mut server = Faults::start(&place, r#"{"steps": [{"status": 503}]}"#);
    let address = server.url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /status HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    let arrival: Value = serde_json::from_str(&line(&mut server.out)).unwrap();
    assert_eq!(
        (&arrival["arrival"]["target"], &arrival["arrival"]["treatment"]),
        (&"/status".into(), &"503".into())
    );
    signal(server.child.id(), "INT");
    let summary: Value = serde_json::from_str(&line(&mut server.out)).unwrap();
    assert_eq!(summary["summary"]["arrivals"], 1);
    assert!(server.child.wait().unwrap().success());

    fs::write(place.path().join("bad.json"), r#"{"steps": [{"statuss": 503}]}"#).unwrap();
    let said = place.run(["faults", "bad.json"]);
    assert!(said.code == Some(1) && said.err.contains("statuss"), "{said:?}");
    assert_eq!(place.run(["faults", "absent.json"]).code, Some(1));
}

#[test]
fn help_names_every_command() {
    let place = Place::new();
    let help = place.run(["help"]).done().text();
    for command in [
        "try", "host", "create", "list", "get", "sleep", "wake", "delete", "fetch", "exec", "health",
        "drive", "upgrade", "faults",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        place.run(["help", command]).done();
    }
    assert!(!help.contains("agent  ") && !help.contains("witness  "), "{help}");
}

#[test]
fn the_try_keeps_its_claims() {
    let place = Place::new();
    let said = place.run(["try"]).done().text();
    assert!(said.contains("10 of 10") && !said.contains('\u{1b}'), "{said}");
    assert!(
        said.contains("4 of 4    mutations from standby, after one look, arrived exactly once"),
        "{said}"
    );
}

/// `reveille faults`, until it is dropped.
struct Faults {
    child: std::process::Child,
    out: BufReader<std::process::ChildStdout>,
    url: String,
}

impl Faults {
    fn start(place: &Place, script: &str) -> Self {
        fs::write(place.path().join("script.json"), script).unwrap();
        let mut command = place.command();
        let mut child =
            command.args(["faults", "script.json", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let first: Value = serde_json::from_str(&line(&mut out)).unwrap();
        let url = first["listening"]["url"].as_str().unwrap().to_owned();
        Self { child, out, url }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn doctor_says_what_keeps_sandboxes_apart_here() {
    let place = Place::new();
    let said = place.run(["doctor"]).done();
    assert!(said.text().starts_with("sandboxes  "), "{}", said.text());
    let json: serde_json::Value =
        serde_json::from_str(&place.run(["doctor", "--json"]).done().text()).unwrap();
    assert!(json["namespaces"].is_string() && json["missing"].is_array(), "{json}");
}
