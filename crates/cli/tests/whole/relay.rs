//! The relay between clients and a host that refuses while a sandbox wakes.

use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::place::{Host, Place, line, said, serve, signal};

const DOCS: &str = include_str!("../../../../docs/relay.md");
const WINDOW: [&str; 4] = ["--while-waking", "reject", "--resume-delay", "400ms"];

/// A relay that runs, and what it said first.
struct Relay {
    child: Child,
    out: BufReader<ChildStdout>,
    about: serde_json::Value,
}

impl Relay {
    fn start(place: &Place, flags: &[&str]) -> Self {
        let mut command = place.command();
        command.args(["relay", "--json", "--quiet", "--listen", "127.0.0.1:0"]).args(flags);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut about: serde_json::Value = serde_json::from_str(&line(&mut out)).unwrap();
        let about = about["listening"].take();
        Self { child, out, about }
    }

    /// The environment of a client that is pointed at it.
    fn point(&self, command: &mut Command, host: &Host) {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        command.env("BL_API_URL", text(&self.about["apiUrl"])).env("BL_RUN_URL", text(&self.about["url"]));
        command.env("BL_SANDBOX_BOX_URL", text(&self.about["sandboxes"]["box"]));
        command
            .env("BL_API_KEY", text(&host.about["key"]))
            .env("BL_WORKSPACE", text(&host.about["workspace"]));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(self.child.id(), "TERM");
            let _ = self.child.wait();
        }
    }
}

/// A place with a sandbox called box, and a host that refuses what comes while it wakes.
fn asleep() -> (Place, Host) {
    let place = Place::new();
    let host = Host::start(&place, &WINDOW);
    place.run(["create", "box"]).done();
    (place, host)
}

#[test]
fn a_client_without_retries_survives_the_window_behind_it() {
    let (place, host) = asleep();
    let port = serve(&place, "box").to_string();
    let mut relay = Relay::start(&place, &["--log", "box"]);
    let client = |arguments: &[&str]| {
        let mut command = place.command();
        relay.point(&mut command, &host);
        said(command.env_remove("BL_SANDBOX_BOX_URL").args(["--retries", "0"]).args(arguments))
    };
    let bare = |arguments: &[&str]| place.run([&["--retries", "0"], arguments].concat());
    for arguments in
        [&["fetch", "--fail", "box", &port, "/"][..], &["fetch", "--fail", "-X", "POST", "box", &port, "/"]]
    {
        place.run(["sleep", "box"]).done();
        assert_ne!(bare(arguments).code, Some(0), "the window is there");
        // By way of the relay, which then knows.
        client(&["sleep", "box"]).done();
        client(arguments).done();
    }
    signal(relay.child.id(), "TERM");
    assert!(relay.child.wait().unwrap().success());
    let mut told = String::new();
    relay.out.read_to_string(&mut told).unwrap();
    let passage = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["passage"].take();
    let is_fetch = |passage: &serde_json::Value| passage["path"].as_str().unwrap().contains("/port/");
    let fetches: Vec<_> = told.lines().map(passage).filter(is_fetch).collect();
    let [get, post] = fetches.as_slice() else { panic!("{told}") };
    assert_eq!(
        (&get["method"], &get["status"], &post["method"]),
        (&"GET".into(), &200.into(), &"POST".into())
    );
    assert!(get["attempts"].as_str().unwrap().starts_with("503, "), "{get}");
    assert!(
        post["attempts"].as_str().unwrap().starts_with("200; waited "),
        "sent once, after a wait: {post}"
    );
}

#[test]
fn with_auth_a_client_needs_no_key_that_is_good() {
    let (place, host) = asleep();
    for (flags, code) in [(&["--auth", "box"][..], Some(0)), (&["box"], Some(1))] {
        let relay = Relay::start(&place, flags);
        let mut command = place.command();
        relay.point(&mut command, &host);
        assert_eq!(said(command.env("BL_API_KEY", "none").args(["health", "box"])).code, code, "{flags:?}");
    }
}

#[test]
fn people_are_told_what_to_export() {
    let place = Place::new();
    let mut command = place.command();
    command.env("BL_WORKSPACE", "acme").args([
        "relay",
        "my-box",
        "--listen",
        "127.0.0.1:0",
        "--to",
        "http://127.0.0.1:9/",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (first, second) = (line(&mut out), line(&mut out));
    let url = first.rsplit_once("BL_RUN_URL=").unwrap().1.trim();
    assert_eq!(first.trim(), format!("export BL_API_URL={url}/v0 BL_RUN_URL={url}"));
    assert_eq!(second.trim(), format!("export BL_SANDBOX_MY_BOX_URL={url}/acme/sandboxes/my-box"));
    signal(child.id(), "INT");
    assert!(child.wait().unwrap().success());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(err.starts_with("relay to http://127.0.0.1:9 and http://127.0.0.1:9/v0, until Ctrl-C"), "{err}");
}

#[test]
fn what_cannot_be_is_said_with_a_way_out() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = |arguments: &[&str]| place.run([&["relay"], arguments].concat());
    let said = refused(&["--listen", &address, "--to", "http://127.0.0.1:9"]);
    assert!(said.code == Some(1) && said.err.contains("--listen") && said.err.contains(&address), "{said:?}");
    let said = refused(&["--to", "nowhere"]);
    assert!(said.code == Some(1) && said.err.contains("nowhere"), "{said:?}");
    let said = refused(&["No Name", "--to", "http://127.0.0.1:9"]);
    assert!(said.code == Some(2) && said.err.contains("is not a sandbox name"), "{said:?}");
    let said = refused(&["box", "--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:9"]);
    assert!(said.code == Some(2) && said.err.contains("--workspace"), "{said:?}");
    let said = refused(&["--auth", "--listen", "0.0.0.0:0", "--to", "http://127.0.0.1:9"]);
    assert!(said.code == Some(1) && said.err.contains("127.0.0.1"), "{said:?}");
    drop(taken);
    let said = refused(&["--listen", &address, "--to", &format!("http://{address}")]);
    assert!(said.code == Some(1) && said.err.contains("is this relay itself"), "{said:?}");
}

/// The blocks of one language in the docs, in their order.
fn as_written(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCS.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

/// Runs what the docs say against a sandbox that is asleep: bare, which fails, and behind the relay.
fn survives(client: impl Fn(&Place) -> Command) {
    let (place, host) = asleep();
    let relay = Relay::start(&place, &["box"]);
    let run = |url: &str| {
        place.run(["sleep", "box"]).done();
        let mut command = client(&place);
        relay.point(&mut command, &host);
        command.env("BL_DISABLE_H2", "true").env("BL_REGION", "us-pdx-1").env("DO_NOT_TRACK", "1");
        said(command.env("BL_SANDBOX_BOX_URL", url))
    };
    let direct = format!("{}/{}/sandboxes/box", host.url(), host.about["workspace"].as_str().unwrap());
    assert_ne!(run(&direct).code, Some(0), "the window is there");
    let behind = run(relay.about["sandboxes"]["box"].as_str().unwrap()).done();
    assert_eq!(behind.text(), "hello\n");
}

#[test]
fn the_official_python_client_survives_behind_it_as_the_docs_say() {
    let python = std::env::var("REVEILLE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_client = Command::new(&python).args(["-c", "import blaxel"]).stderr(Stdio::null()).status();
    if !has_client.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: {python} has no blaxel; name another with REVEILLE_PYTHON");
        return;
    }
    let program = as_written("python").concat();
    survives(|place| {
        let mut command = Command::new(&python);
        command.arg("-c").arg(&program).env_clear().env("HOME", place.path());
        command
    });
}

#[test]
fn the_official_typescript_client_survives_behind_it_as_the_docs_say() {
    let Some(modules) = std::env::var_os("REVEILLE_NODE_MODULES") else {
        eprintln!("SKIPPED: REVEILLE_NODE_MODULES names no @blaxel/core");
        return;
    };
    let home = Path::new(&modules).parent().unwrap();
    let program = as_written("typescript").concat();
    survives(|place| {
        // A module finds its imports beside itself.
        let script = place.path().join("docs.mjs");
        std::fs::write(&script, &program).unwrap();
        let modules = place.path().join("node_modules");
        let _ = std::os::unix::fs::symlink(home.join("node_modules"), modules);
        let mut command = Command::new("node");
        command.arg("--preserve-symlinks").arg(script).env_clear().env("HOME", place.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    });
}
