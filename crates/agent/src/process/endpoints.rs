//! The endpoints under `/process`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use reveille_wire::header::{STREAM, STREAM_EXACT};
use reveille_wire::{KeepAlive, LogPosition, ProcessLogs, ProcessRequest, ProcessResponse};
use serde::{Deserialize, Serialize};

use super::child::{NotRunning, Process};
use super::follow::Follower;
use super::frames::{self, Form};
use super::input::{self, NotWritten};
use super::log::Position;
use super::orders::{Keep, seconds_of};
use super::ports::{self, Waited};
use super::{lines, listing};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::json::{self, JsonBody};

/// How long a start waits for ports when nothing was said: ten minutes, as long as a process may keep the sandbox
/// awake when nothing was said.
const PORTS: Duration = Duration::from_secs(600);
/// How much of what a process said stands in the sentence that it ended before its ports were open, in bytes.
const LAST_WORDS: usize = 2_000;
/// How long one request may wait for an end: as long as the vendor's clients let it.
const LONGEST_POLL: Duration = Duration::from_secs(119);
/// How long an answer to a stop or a kill waits for the end. Most processes end within a millisecond, and then the
/// answer says so; one that takes its time or does not listen runs on, and is said to.
const ENDS_SOON: Duration = Duration::from_millis(500);

/// The endpoints under `/process`.
pub(crate) fn routes() -> Router<Agent> {
    Router::new()
        .route("/keep-alive", get(keep_alive))
        .route("/process", get(list).post(start))
        .route("/process/{id}", get(show).delete(stop))
        .route("/process/{id}/kill", delete(kill))
        .route("/process/{id}/wait", get(wait))
        .route("/process/{id}/stdin", post(write).delete(close))
        .route("/process/{id}/logs", get(logs))
        .route("/process/{id}/logs/position", get(position))
        .route("/process/{id}/logs/stream", get(stream))
}

/// An answer that says what was done.
#[derive(Debug, Serialize)]
struct Done {
    message: String,
}

async fn start(
    State(agent): State<Agent>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ProcessRequest>,
) -> Result<Response, Failure> {
    let wait = Wait::from(&request);
    if accepted(&headers, "text/event-stream") > 0.0 || accepted(&headers, NDJSON) > 0.0 {
        let form = if wants_exact(&headers) { Form::Exact } else { Form::Execution };
        return Ok(match agent.processes().start(request).await {
            Ok(process) => frames::followed(Follower::new(process, [0; 2]), form, wait.limit),
            // The platform has a stream for it, of one line; that cannot be told from a process that ended badly.
            Err(failure) if form == Form::Exact || failure.is_bad_request() => failure.into_response(),
            Err(failure) => frames::failed(failure.sentence()),
        });
    }
    let at_start = Keep::from(&request);
    let process = agent.processes().start(request).await?;
    if wait.is_for_nothing() {
        return Ok(Json(process.response_at_start(at_start)).into_response());
    }
    wait.on(&process).await?;
    Ok(Json(process.response()).into_response())
}

const NDJSON: &str = "application/x-ndjson";

/// How much a client wants `media` (RFC 9110, section 12.4.2). One that takes anything has not named it.
fn accepted(headers: &HeaderMap, media: &str) -> f32 {
    let named = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|list| list.split(',')).filter_map(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(media))?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // What is no number was not said.
        Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(1.0)))
    });
    named.fold(0.0, f32::max)
}

/// Whether a client understands output byte for byte.
fn wants_exact(headers: &HeaderMap) -> bool {
    headers.get_all(STREAM).iter().any(|value| value == STREAM_EXACT)
}

/// What the answer to a start waits for.
#[derive(Debug)]
struct Wait {
    ports: Vec<u16>,
    completion: bool,
    limit: Option<Duration>,
}

impl From<&ProcessRequest> for Wait {
    fn from(request: &ProcessRequest) -> Self {
        // A process that keeps the sandbox awake is killed in time; there is nothing to give up on before.
        let limit = request.timeout.filter(|seconds| *seconds > 0 && !request.keep_alive);
        Self {
            ports: request.wait_for_ports.clone(),
            completion: request.wait_for_completion,
            limit: limit.map(seconds_of),
        }
    }
}

impl Wait {
    fn is_for_nothing(&self) -> bool {
        self.ports.is_empty() && !self.completion
    }

    async fn on(&self, process: &Arc<Process>) -> Result<(), Failure> {
        if !self.ports.is_empty() {
            let limit = self.limit.unwrap_or(PORTS);
            within(Some(limit), process, Awaited::Ports, ports::wait(process, &self.ports))
                .await?
                .map_or_else(
                    |error| Err(Failure::unworkable(format!("the listeners cannot be read: {error}"))),
                    |waited| self.waited(process, waited),
                )?;
        }
        if self.completion {
            within(self.limit, process, Awaited::End, process.over()).await?;
        }
        Ok(())
    }

    fn waited(&self, process: &Process, waited: Waited) -> Result<(), Failure> {
        match waited {
            Waited::Open => Ok(()),
            Waited::Ended(missing) => {
                let (name, code) = (&process.orders.name, process.standing().exit_code);
                let mut sentence = format!(
                    "process {name:?} exited with code {code} before something listened on {missing:?}"
                );
                let said = process.logs().logs;
                if !said.trim().is_empty() {
                    sentence = format!("{sentence}: {}", last_of(said.trim(), LAST_WORDS));
                }
                Err(Failure::unworkable(sentence))
            }
        }
    }
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    Ports,
    End,
}

async fn within<T>(
    limit: Option<Duration>,
    process: &Process,
    awaited: Awaited,
    wait: impl Future<Output = T>,
) -> Result<T, Failure> {
    match limit {
        None => Ok(wait.await),
        Some(limit) => tokio::time::timeout(limit, wait)
            .await
            .map_err(|_| Failure::unworkable(timed_out(process, awaited, limit))),
    }
}

/// Says that the wait is over, in words that clients look for, and whether the process is.
pub(crate) fn timed_out(process: &Process, awaited: Awaited, limit: Duration) -> String {
    let (name, pid, seconds) = (&process.orders.name, process.pid, limit.as_secs());
    let now = if process.standing().is_over() { "has ended" } else { "runs on" };
    let what = match awaited {
        Awaited::Ports => "timed out waiting for ports",
        Awaited::End => "process timed out",
    };
    format!("{what} after {seconds} seconds: {name:?} (pid {pid}) {now}")
}

/// The end of a text, of this many bytes at the most.
fn last_of(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    (from..=text.len()).find_map(|from| text.get(from..)).unwrap_or_default()
}

async fn list(State(agent): State<Agent>) -> Response {
    listing::answer(agent.processes().all())
}

async fn keep_alive(State(agent): State<Agent>) -> Json<KeepAlive> {
    Json(KeepAlive::by(agent.processes().keeping_awake() as u64))
}

async fn show(State(agent): State<Agent>, Path(id): Path<String>) -> Result<Json<ProcessResponse>, Failure> {
    Ok(Json(agent.processes().find(&id)?.response()))
}

/// How long a request waits for an end.
#[derive(Debug, Deserialize)]
struct Poll {
    /// In seconds, as it was written.
    timeout: Option<String>,
}

impl Poll {
    fn limit(&self) -> Result<Duration, Failure> {
        let Some(text) = &self.timeout else { return Ok(LONGEST_POLL) };
        let seconds: u64 =
            text.parse().map_err(|_| Failure::bad(format!("timeout={text} is no number of seconds")))?;
        Ok(Duration::from_secs(seconds).min(LONGEST_POLL))
    }
}

/// Answers when it is over, or with how it stands when the time is up: whoever waits longer asks again.
async fn wait(
    State(agent): State<Agent>,
    Path(id): Path<String>,
    Query(poll): Query<Poll>,
) -> Result<Json<ProcessResponse>, Failure> {
    let limit = poll.limit()?;
    let process = agent.processes().find(&id)?;
    // Time that is up is an answer too.
    let _in_time = tokio::time::timeout(limit, process.over()).await;
    Ok(Json(process.response()))
}

async fn logs(State(agent): State<Agent>, Path(id): Path<String>) -> Result<Json<ProcessLogs>, Failure> {
    Ok(Json(agent.processes().find(&id)?.logs()))
}

/// A moment, as it was written: in milliseconds since 1970.
#[derive(Debug, Deserialize)]
struct Moment {
    at: Option<String>,
}

/// How far a log had come at a moment, or has now.
async fn position(
    State(agent): State<Agent>,
    Path(id): Path<String>,
    Query(moment): Query<Moment>,
) -> Result<Json<LogPosition>, Failure> {
    let process = agent.processes().find(&id)?;
    let [stdout, stderr] = match &moment.at {
        None => process.with_log(|log| log.totals()),
        Some(text) => {
            let at = text.parse().map_err(|_| Failure::bad(format!("at={text} is no moment")))?;
            process.with_log(|log| log.position_at(at))
        }
    };
    Ok(Json(LogPosition { stdout, stderr }))
}

/// Where in a log to begin, as it was written: how many bytes of each stream the client has.
#[derive(Debug, Deserialize)]
struct Begin {
    stdout: Option<String>,
    stderr: Option<String>,
}

impl Begin {
    fn position(&self, process: &Process) -> Result<Position, Failure> {
        let number = |name: &str, text: &Option<String>| match text {
            None => Ok(0),
            Some(text) => {
                text.parse().map_err(|_| Failure::bad(format!("{name}={text} is no number of bytes")))
            }
        };
        let position = [number("stdout", &self.stdout)?, number("stderr", &self.stderr)?];
        let totals = process.with_log(|log| log.totals());
        if position[0] > totals[0] || position[1] > totals[1] {
            let [out, err] = totals;
            let sentence = format!("the log has {out} bytes of stdout and {err} of stderr, and no more");
            return Err(Failure::out_of_range(sentence));
        }
        Ok(position)
    }
}

async fn stream(
    State(agent): State<Agent>,
    Path(id): Path<String>,
    Query(begin): Query<Begin>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let process = agent.processes().find(&id)?;
    let wanted = accepted(&headers, NDJSON);
    if wanted > 0.0 && wanted >= accepted(&headers, "text/plain") {
        let form = if wants_exact(&headers) { Form::Exact } else { Form::Log };
        let position = begin.position(&process)?;
        return Ok(frames::followed(Follower::new(process, position), form, None));
    }
    let body = lines::body(Follower::new(process, [0; 2]));
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// Writes the body to its standard input, byte for byte. A client that knows of exact streams waits for as long as the
/// process reads nothing; another one is told after a while.
async fn write(
    State(agent): State<Agent>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Done>, Failure> {
    let process = with_stdin(&agent, &id)?;
    let bytes = json::read(body).await?;
    let name = &process.orders.name;
    let patience = if wants_exact(&headers) { None } else { Some(input::PATIENCE) };
    process.input.write(&bytes, patience).await.map_err(|error| match error {
        NotWritten::Closed => Failure::conflict(format!("the standard input of process {name:?} is closed")),
        NotWritten::Unread => Failure::busy(format!("process {name:?} does not read its standard input")),
        NotWritten::Failed(error) => Failure::broken(format!("it could not be written: {error}")),
    })?;
    Ok(done(&process, &format!("was sent {} bytes", bytes.len())))
}

async fn close(State(agent): State<Agent>, Path(id): Path<String>) -> Result<Json<Done>, Failure> {
    let process = with_stdin(&agent, &id)?;
    process.input.close();
    let name = &process.orders.name;
    Ok(Json(Done { message: format!("the standard input of process {name:?} is closed") }))
}

fn with_stdin(agent: &Agent, id: &str) -> Result<Arc<Process>, Failure> {
    let process = agent.processes().find(id)?;
    if !process.orders.stdin {
        let name = &process.orders.name;
        return Err(Failure::conflict(format!("process {name:?} was started without \"stdin\": true")));
    }
    Ok(process)
}

/// Asks it to stop, and gives it a moment to do so. It does not escalate: what runs on can be asked again, or killed.
async fn stop(State(agent): State<Agent>, Path(id): Path<String>) -> Result<Json<Done>, Failure> {
    let process = running(&agent, &id, Process::stop)?;
    let said = match ends_soon(&process).await {
        Ends::Soon => "stopped successfully",
        Ends::Perhaps => "was asked to stop, and runs on",
    };
    Ok(done(&process, said))
}

async fn kill(State(agent): State<Agent>, Path(id): Path<String>) -> Result<Json<Done>, Failure> {
    let process = running(&agent, &id, Process::kill)?;
    let said = match ends_soon(&process).await {
        Ends::Soon => "killed successfully",
        Ends::Perhaps => "was sent SIGKILL, and has not ended yet",
    };
    Ok(done(&process, said))
}

/// Whether a process that was asked to end has done so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Soon,
    Perhaps,
}

async fn ends_soon(process: &Process) -> Ends {
    match tokio::time::timeout(ENDS_SOON, process.over()).await {
        Ok(()) => Ends::Soon,
        Err(_) => Ends::Perhaps,
    }
}

fn running(
    agent: &Agent,
    id: &str,
    ask: fn(&Process) -> Result<(), NotRunning>,
) -> Result<Arc<Process>, Failure> {
    let process = agent.processes().find(id)?;
    match ask(&process) {
        Ok(()) => Ok(process),
        Err(NotRunning) => Err(Failure::absent(format!("process {:?} is not running", process.orders.name))),
    }
}

fn done(process: &Process, said: &str) -> Json<Done> {
    Json(Done { message: format!("process {:?} (pid {}) {said}", process.orders.name, process.pid) })
}
