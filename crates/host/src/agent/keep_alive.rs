//! Asking an agent whether a process of its sandbox keeps it awake.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use reveille_wire::ProcessStatus;
use serde::Deserialize;

use super::{Agent, NotAnswered, Outgoing};

/// How long an agent may take to say what runs.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much it may say. A process takes at most about 256 KiB of it.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// What an agent says of its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeepAlive {
    /// None of them keeps the sandbox awake.
    None,
    /// One of them does.
    Running,
    /// There is no agent at that address.
    Unreachable,
    /// It did not say.
    Unknown(String),
}

/// The part of a process that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Process {
    status: ProcessStatus,
    keep_alive: bool,
}

impl Agent {
    /// Asks it. This is no activity.
    pub(crate) async fn keep_alive(self: &Arc<Self>) -> KeepAlive {
        match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(said) => said,
            Err(_) => KeepAlive::Unknown(format!("no answer within {PATIENCE:?}")),
        }
    }

    async fn ask(self: &Arc<Self>) -> KeepAlive {
        let Ok(connection) = self.connect_anew().await else { return KeepAlive::Unreachable };
        let mut request = Request::new(Outgoing::Nothing);
        *request.uri_mut() = http::Uri::from_static("/process");
        request.headers_mut().insert(header::HOST, http::HeaderValue::from_static("sandbox"));
        let response = match connection.send(request, || {}).await {
            Ok(response) if response.status() == StatusCode::OK => response,
            Ok(response) => return KeepAlive::Unknown(format!("it answered {}", response.status())),
            Err(NotAnswered::NeverWritten(_)) => return KeepAlive::Unreachable,
            Err(NotAnswered::BodyBroken) => return KeepAlive::Unknown("it was not asked".to_owned()),
            Err(NotAnswered::Broken(error)) => return KeepAlive::Unknown(error.to_string()),
        };
        let body = match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return KeepAlive::Unknown(error.to_string()),
        };
        match serde_json::from_slice::<Vec<Process>>(&body) {
            Ok(processes) if processes.iter().any(Process::keeps_awake) => KeepAlive::Running,
            Ok(_) => KeepAlive::None,
            Err(error) => KeepAlive::Unknown(error.to_string()),
        }
    }
}

impl Process {
    fn keeps_awake(&self) -> bool {
        self.keep_alive && self.status == ProcessStatus::Running
    }
}
