//! Asking an agent whether a process of its sandbox keeps it awake.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};

use super::{Agent, NotAnswered, Question};

/// How long an agent may take to say what runs.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much it may say: one number in a little JSON.
const MAX_ANSWER: usize = 4096;

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

impl Agent {
    /// Asks it. This is no activity.
    pub(crate) async fn keep_alive(self: &Arc<Self>) -> KeepAlive {
        match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(said) => said,
            Err(_) => KeepAlive::Unknown(format!("no answer within {PATIENCE:?}")),
        }
    }

    async fn ask(self: &Arc<Self>) -> KeepAlive {
        let Ok(line) = self.connect_anew().await else { return KeepAlive::Unreachable };
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("sandbox"))]);
        let question = Question { method: &Method::GET, target: "/keep-alive", headers: &headers };
        let response = match line.read(question, || {}, |_, _| {}).await {
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
        match serde_json::from_slice::<reveille_wire::KeepAlive>(&body) {
            Ok(said) if said.processes > 0 => KeepAlive::Running,
            Ok(_) => KeepAlive::None,
            Err(error) => KeepAlive::Unknown(error.to_string()),
        }
    }
}
