//! `POST /process` with `Accept: text/event-stream`: a process and its output as they come, a JSON object a line.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use reveille_wire::{ExecFrame, ExecFrameKind};
use tokio::time::Instant;

use super::follow::{Followed, Follower};
use super::log::Source;
use super::text::Letters;

/// How often a line says that the stream lives when there is nothing else to say.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A stream with nothing but the reason why there is no process.
pub(crate) fn failed(reason: &str) -> Response {
    answer(Body::from(line(ExecFrameKind::Error, reason.to_owned())))
}

/// The stream of a process that runs, until its end or `limit`.
pub(crate) fn followed(follower: Follower, limit: Option<Duration>) -> Response {
    let execution = Execution {
        follower,
        until: limit.map(|limit| (Instant::now() + limit, limit)),
        letters: [Letters::default(), Letters::default()],
        stage: Stage::Output,
    };
    let lines = stream::unfold(execution, |mut execution| async {
        let chunk = execution.next().await?;
        Some((Ok::<_, Infallible>(chunk), execution))
    });
    answer(Body::from_stream(lines.boxed()))
}

fn answer(body: Body) -> Response {
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

#[derive(Debug)]
struct Execution {
    follower: Follower,
    until: Option<(Instant, Duration)>,
    letters: [Letters; 2],
    stage: Stage,
}

/// How far the stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Output,
    Result,
    End,
}

impl Execution {
    /// The next lines; nothing after the last.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.stage {
                Stage::Output => {
                    if let Some(lines) = self.output().await {
                        return Some(lines);
                    }
                }
                Stage::Result => {
                    self.stage = Stage::End;
                    return Some(self.result());
                }
                Stage::End => return None,
            }
        }
    }

    async fn output(&mut self) -> Option<Bytes> {
        let (until, limit) = self.until.unzip();
        let keepalive = Instant::now() + KEEPALIVE;
        let wake = until.map_or(keepalive, |until| until.min(keepalive));
        match tokio::time::timeout_at(wake, self.follower.next()).await {
            Ok(Some(Followed::Output(source, bytes))) => {
                let text = self.letters[source as usize].add(&bytes);
                (!text.is_empty()).then(|| line(kind(source), text))
            }
            Ok(Some(Followed::Cut(source, text))) => Some(line(kind(source), text)),
            Ok(None) => {
                self.stage = Stage::Result;
                Some(self.last_letters()).filter(|lines| !lines.is_empty())
            }
            Err(_) if wake == keepalive => Some(line(ExecFrameKind::Keepalive, String::new())),
            Err(_) => {
                self.stage = Stage::End;
                let after = limit.unwrap_or_default();
                Some(line(ExecFrameKind::Error, super::endpoints::still_runs(self.follower.process(), after)))
            }
        }
    }

    fn last_letters(&mut self) -> Bytes {
        let mut lines = Vec::new();
        for source in Source::BOTH {
            let text = self.letters[source as usize].end();
            if !text.is_empty() {
                lines.extend_from_slice(&line(kind(source), text));
            }
        }
        Bytes::from(lines)
    }

    fn result(&self) -> Bytes {
        match serde_json::to_string(&self.follower.process().response()) {
            Ok(response) => line(ExecFrameKind::Result, response),
            Err(error) => line(ExecFrameKind::Error, format!("the result cannot be told: {error}")),
        }
    }
}

fn kind(source: Source) -> ExecFrameKind {
    match source {
        Source::Stdout => ExecFrameKind::Stdout,
        Source::Stderr => ExecFrameKind::Stderr,
    }
}

fn line(kind: ExecFrameKind, data: String) -> Bytes {
    // A frame is a word and a text: there is nothing in it that JSON cannot say.
    let mut line = serde_json::to_vec(&ExecFrame { kind, data }).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}
