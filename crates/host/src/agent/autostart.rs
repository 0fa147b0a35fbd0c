//! Starting commands in a sandbox that nobody outside asked for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::{Agent, Answer, Connection, NotAnswered, Outgoing};

/// How long an agent may take to start it.
const PATIENCE: Duration = Duration::from_secs(5);
/// What its process is called.
const NAME: &str = "autostart";

/// Why it was not started, for whoever reads the host's log.
#[derive(Debug)]
pub(crate) enum NotStarted {
    NotWithin(Duration),
    Unreachable,
    Broken(NotAnswered),
    Refused(StatusCode),
}

impl Agent {
    /// Starts a command as a process of its own, and does not wait for its end.
    pub(crate) async fn autostart(self: &Arc<Self>, command: &str) -> Result<(), NotStarted> {
        let started = tokio::time::timeout(PATIENCE, self.start(command)).await;
        started.unwrap_or(Err(NotStarted::NotWithin(PATIENCE)))
    }

    async fn start(self: &Arc<Self>, command: &str) -> Result<(), NotStarted> {
        let answer = self.submit(&json!({"name": NAME, "command": command})).await?;
        if answer.status().is_success() { Ok(()) } else { Err(NotStarted::Refused(answer.status())) }
    }

    /// Sends one request for a process, and gives the answer to it.
    pub(crate) async fn submit(self: &Arc<Self>, process: &Value) -> Result<Response<Answer>, NotStarted> {
        let line = self.connect_anew().await.map_err(|_| NotStarted::Unreachable)?;
        let connection = Connection::over(line).await.map_err(|_| NotStarted::Unreachable)?;
        let body = Full::new(Bytes::from(process.to_string().into_bytes())).map_err(|never| match never {});
        let mut request = Request::new(Outgoing::streamed(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/process");
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("sandbox"));
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        connection.send(request, || {}).await.map_err(NotStarted::Broken)
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWithin(limit) => write!(f, "the agent did not answer within {limit:?}"),
            Self::Unreachable => f.write_str("the agent cannot be reached"),
            Self::Broken(error) => write!(f, "the agent did not answer: {error:?}"),
            Self::Refused(status) => write!(f, "the agent answered {status}"),
        }
    }
}
