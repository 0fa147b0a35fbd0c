//! The host that both clients speak to, and the client beside ours.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use reveille::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::linux::Failure;

/// A local host, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Host {
    child: Child,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) workspace: String,
    _home: TempDir,
}

impl Host {
    /// A client of it.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let client = Client::builder().api_key(&self.key).workspace(&self.workspace);
        Ok(client.api_url(format!("{}/v0", self.url)).run_url(&self.url).build()?)
    }

    pub(crate) fn start() -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_reveille"))
            .args(["host", "--json", "--quiet", "--listen", "127.0.0.1:0"])
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let about: Value = serde_json::from_str(&line)?;
        let word = |name: &str| about[name].as_str().map(ToOwned::to_owned).ok_or("the host does not say it");
        Ok(Self { url: word("url")?, key: word("key")?, workspace: word("workspace")?, child, _home: home })
    }

    #[allow(dead_code, reason = "of the two benches one asks for it")]
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.url.trim_start_matches("http://").parse()?)
    }

    #[allow(dead_code, reason = "of the two benches one asks for it")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _gone = self.child.wait();
    }
}

/// The official Python client, which does what it is told.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it; `None` where it is not installed.
    pub(crate) fn start(host: &Host) -> Result<Option<Self>, Failure> {
        let python = python();
        let there = Command::new(&python).args(["-c", "import blaxel.core.sandbox"]).output();
        if !there.is_ok_and(|tried| tried.status.success()) {
            return Ok(None);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/beside/client.py");
        let mut child = Command::new(python)
            .arg(script)
            .env("REVEILLE_SANDBOX_URL", format!("{}/{}/sandboxes/box", host.url, host.workspace))
            .env("REVEILLE_KEY", &host.key)
            .env("REVEILLE_WORKSPACE", &host.workspace)
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        Ok(Some(Self { child, to, from: BufReader::new(from) }))
    }

    /// How many seconds an operation takes it.
    pub(crate) fn measured(&mut self, what: &str, number: u64) -> Result<f64, Failure> {
        writeln!(self.to, "{what} {number}")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn python() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/conformance/python/bin/python");
    match std::env::var_os("REVEILLE_PYTHON") {
        Some(named) => named.into(),
        None if installed.exists() => installed,
        None => "python3".into(),
    }
}
