use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// The body of `POST /process`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProcessRequest {
    /// What a shell runs.
    pub command: String,
    /// A name to find it by; `proc-` and eight random letters when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Laid over the agent's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Whether the answer waits for its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_completion: bool,
    /// How long the answer waits, in seconds; with `keep_alive`, how long the process may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// The answer waits until these listen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_for_ports: Vec<u16>,
    /// Whether it is started again when it fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart_on_failure: bool,
    /// How often at the most; below zero, without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<i64>,
    /// Whether the sandbox stays awake while it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_alive: bool,
    /// Whether `POST /process/{id}/stdin` writes to it; otherwise it reads nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
}

impl ProcessRequest {
    /// Runs `command` in a shell.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), ..Self::default() }
    }
}

/// A process, as the agent tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ProcessResponse {
    /// Its number, as text.
    pub pid: String,
    /// Its name.
    pub name: String,
    /// What was run.
    pub command: String,
    /// Where it stands.
    pub status: ProcessStatus,
    /// An HTTP date.
    pub started_at: String,
    /// An HTTP date, or nothing while it runs.
    #[serde(deserialize_with = "unless_blank")]
    pub completed_at: Option<String>,
    /// Its exit code; 0 while it runs, -1 when a signal ended it.
    pub exit_code: i32,
    /// The number of the signal that ended it; left out when none did. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Where it runs; empty for the agent's own directory.
    pub working_dir: String,
    /// The tail of both streams, in the order in which it came.
    pub logs: Option<String>,
    /// The tail of its standard output.
    pub stdout: String,
    /// The tail of its standard error.
    pub stderr: String,
    /// Whether it is started again when it fails.
    pub restart_on_failure: bool,
    /// How often at the most.
    pub max_restarts: i64,
    /// How often it was.
    pub restart_count: i64,
    /// Whether the sandbox stays awake while it runs.
    pub keep_alive: bool,
    /// Whether it was started with a standard input that can be written to; left out when it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
}

/// A text; none where it is empty, as newer servers write what is not there.
fn unless_blank<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// The answer of `GET /keep-alive`: whether something that runs keeps the sandbox awake. An addition of ours, for
/// hosts: its size does not depend on how many processes there are or on what they have written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct KeepAlive {
    /// How many running processes were started with `keepAlive`.
    pub processes: u64,
}

impl KeepAlive {
    /// So many processes keep it awake.
    #[must_use]
    pub fn by(processes: u64) -> Self {
        Self { processes }
    }
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProcessStatus {
    /// It runs.
    #[default]
    Running,
    /// It ended with exit code 0.
    Completed,
    /// It ended otherwise.
    Failed,
    /// It was ended by a kill.
    Killed,
    /// It was asked to stop.
    Stopped,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// A place in the log of a process: how many bytes of each stream come before it. An addition of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// Of standard output, with the lines between two runs.
    pub stdout: u64,
    /// Of standard error.
    pub stderr: u64,
}

impl LogPosition {
    /// Both, standard output first.
    #[must_use]
    pub fn bytes(self) -> [u64; 2] {
        [self.stdout, self.stderr]
    }
}

/// The answer of `GET /process/{id}/logs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ProcessLogs {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Both, in the order in which they came.
    pub logs: String,
    /// What came before that and is not shown; left out when nothing did. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Truncated>,
}

/// How many bytes of each stream are not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Truncated {
    /// Of standard output.
    pub stdout: u64,
    /// Of standard error.
    pub stderr: u64,
}

impl ProcessLogs {
    /// The logs of a process.
    #[must_use]
    pub fn new(stdout: String, stderr: String, logs: String) -> Self {
        Self { stdout, stderr, logs, truncated: None }
    }
}
