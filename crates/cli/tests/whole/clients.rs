//! The platform's own clients on a sandbox of the local host, as a user would run them.

use std::path::Path;
use std::process::Command;

use crate::place::{Host, Place};

/// Runs a scenario, where its client is on this machine.
fn scenario(mut client: Command, has_client: &str, script: &str) {
    let there = client.arg(if client.get_program() == "node" { "-e" } else { "-c" }).arg(has_client).output();
    if !there.is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: {:?} has no such client: {has_client}", client.get_program());
        return;
    }
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let workspace = host.about["workspace"].as_str().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance").join(script);
    let ended = Command::new(client.get_program())
        .arg(script)
        .env("REVEILLE_SANDBOX_URL", format!("{}/{workspace}/sandboxes/box", host.url()))
        .env("REVEILLE_KEY", host.about["key"].as_str().unwrap())
        .env("REVEILLE_WORKSPACE", workspace)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(said.trim_end(), "ok", "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_official_python_client_finds_every_method_on_files_as_it_should_be() {
    let python = std::env::var_os("REVEILLE_PYTHON").unwrap_or_else(|| "python3".into());
    scenario(Command::new(python), "import blaxel.core.sandbox.read_tree", "files.py");
}

#[test]
fn the_official_typescript_client_finds_every_method_on_files_as_it_should_be() {
    let find = "require('module').createRequire(process.env.REVEILLE_NODE_MODULES ?? process.cwd() + '/')('@blaxel/core')";
    scenario(Command::new("node"), find, "files.mjs");
}
