//! What tests ask of an agent.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{self, Request, Response};
use crate::running::Running;

/// How long anything may take before a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    /// Starts an agent by means of `tool`, which executes it.
    pub(crate) fn inside(tool: &str, arguments: &[&str], flags: &[&str]) -> Self {
        let mut command = Command::new(tool);
        command.args(arguments).arg(env!("CARGO_BIN_EXE_reveille-agent"));
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        Self::started(command)
    }

    /// Puts a request on a connection of its own.
    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Response {
        let stream = http::connect(&self.host, PATIENCE).unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = body.map(|body| body.to_string().into_bytes());
        http::send(&stream, &self.host, &Request { method, target, headers, body }).unwrap()
    }

    /// Writes to the standard input of process `id`, and gives the status.
    pub(crate) fn write(&self, id: &str, bytes: &[u8]) -> u16 {
        let stream = http::connect(&self.host, PATIENCE).unwrap();
        let target = format!("/process/{id}/stdin");
        let body = Some(bytes.to_vec());
        let request = Request { method: "POST", target: &target, headers: Vec::new(), body };
        http::send(&stream, &self.host, &request).unwrap().status
    }

    /// The status and the JSON of an answer.
    pub(crate) fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
        let mut response = self.send(method, target, &[], body);
        let body = response.read().unwrap();
        (response.status, serde_json::from_slice(&body).unwrap())
    }

    /// Runs `command` to its end.
    pub(crate) fn run(&self, command: &str) -> Value {
        let wanted = json!({"command": command, "waitForCompletion": true});
        let (status, ended) = self.ask("POST", "/process", Some(&wanted));
        assert_eq!(status, 200, "{ended}");
        ended
    }

    /// Starts a process and waits for nothing.
    pub(crate) fn begin(&self, wanted: &Value) -> Value {
        let (status, begun) = self.ask("POST", "/process", Some(wanted));
        assert_eq!(status, 200, "{begun}");
        begun
    }

    /// Waits until `path` answers with what `fits`.
    pub(crate) fn wait_for(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, seen) = self.ask("GET", path, None);
            if fits(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "{path} stays {seen}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it has been upgraded `count` times.
    pub(crate) fn upgraded(&self, count: u64) -> Value {
        self.wait_for("/health", |health| health["upgradeCount"] == count)
    }
}
