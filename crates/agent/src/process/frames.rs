//! Output as it comes, a JSON object a line: a streamed execution, and a log that is followed.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use reveille_wire::header::{PROCESS, STREAM, STREAM_EXACT};
use reveille_wire::{ExecFrame, ExecFrameKind};
use tokio::time::Instant;

use super::endpoints::{Awaited, timed_out};
use super::follow::{Followed, Follower};
use super::log::{Kind, Source};
use super::text::Letters;

/// How often a line says that a stream lives when there is nothing else to say.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What a client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An execution as the platform has it: text, and the result.
    Execution,
    /// A log as the platform has it: bytes, and no result.
    Log,
    /// Bytes, and the result.
    Exact,
}

/// A stream with nothing but the reason why there is no process.
pub(crate) fn failed(reason: &str) -> Response {
    answer(Body::from(line(&ExecFrame::new(ExecFrameKind::Error, reason))))
}

/// The stream of a process, until its end or `limit`.
pub(crate) fn followed(follower: Follower, form: Form, limit: Option<Duration>) -> Response {
    let pid = follower.process().pid.to_string();
    let frames = Frames {
        follower,
        form,
        until: limit.map(|limit| (Instant::now() + limit, limit)),
        keepalive: Instant::now() + if form == Form::Execution { KEEPALIVE } else { Duration::ZERO },
        letters: [Letters::default(), Letters::default()],
        stage: Stage::Output,
    };
    let lines = stream::unfold(frames, |mut frames| async {
        let chunk = frames.next().await?;
        Some((Ok::<_, Infallible>(chunk), frames))
    });
    let mut response = answer(Body::from_stream(lines.boxed()));
    if form == Form::Exact {
        response.headers_mut().insert(STREAM, HeaderValue::from_static(STREAM_EXACT));
    }
    if let Ok(pid) = HeaderValue::try_from(pid) {
        response.headers_mut().insert(PROCESS, pid);
    }
    response
}

fn answer(body: Body) -> Response {
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

#[derive(Debug)]
struct Frames {
    follower: Follower,
    form: Form,
    until: Option<(Instant, Duration)>,
    /// When a line is due that says that the stream lives.
    keepalive: Instant,
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

impl Frames {
    /// The next lines; nothing after the last.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.stage {
                Stage::Output => {
                    if let Some(lines) = self.output().await {
                        self.keepalive = Instant::now() + KEEPALIVE;
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
        let wake = until.map_or(self.keepalive, |until| until.min(self.keepalive));
        match tokio::time::timeout_at(wake, self.follower.next()).await {
            Ok(Some(Followed::Output(source, kind, bytes))) => self.said(source, kind, &bytes),
            Ok(Some(Followed::Missing(source, bytes))) => Some(self.missing(source, bytes)),
            Ok(None) => {
                self.stage = if self.form == Form::Log { Stage::End } else { Stage::Result };
                Some(self.last_letters()).filter(|lines| !lines.is_empty())
            }
            Err(_) if wake == self.keepalive => Some(line(&ExecFrame::new(ExecFrameKind::Keepalive, ""))),
            Err(_) => {
                self.stage = Stage::End;
                let after = limit.unwrap_or_default();
                let said = timed_out(self.follower.process(), Awaited::End, after);
                Some(line(&ExecFrame::new(ExecFrameKind::Error, said)))
            }
        }
    }

    fn said(&mut self, source: Source, kind: Kind, bytes: &[u8]) -> Option<Bytes> {
        let stream = match source {
            Source::Stdout => ExecFrameKind::Stdout,
            Source::Stderr => ExecFrameKind::Stderr,
        };
        if self.form == Form::Execution {
            let text = self.letters[source as usize].add(bytes);
            return (!text.is_empty()).then(|| line(&ExecFrame::new(stream, text)));
        }
        // A note on standard error counts there: only what stands in standard output is told apart.
        let restart = kind == Kind::Restart && source == Source::Stdout;
        let kind = if restart { ExecFrameKind::Restart } else { stream };
        Some(line(&ExecFrame::of_bytes(kind, bytes)))
    }

    /// An execution whose client knows of no missing output ends here, which it takes for the failure that it is.
    fn missing(&mut self, source: Source, bytes: u64) -> Bytes {
        let frame = ExecFrame::truncated(source, bytes);
        if self.form != Form::Execution {
            return line(&frame);
        }
        self.stage = Stage::End;
        line(&ExecFrame::new(ExecFrameKind::Error, frame.data))
    }

    fn last_letters(&mut self) -> Bytes {
        let mut lines = Vec::new();
        for (source, kind) in [(0, ExecFrameKind::Stdout), (1, ExecFrameKind::Stderr)] {
            let text = self.letters[source].end();
            if !text.is_empty() {
                lines.extend_from_slice(&line(&ExecFrame::new(kind, text)));
            }
        }
        Bytes::from(lines)
    }

    fn result(&self) -> Bytes {
        let process = self.follower.process();
        let told = match self.form {
            // All of it came before this.
            Form::Exact => process.response_without_output(),
            Form::Execution | Form::Log => process.response(),
        };
        line(&match serde_json::to_string(&told) {
            Ok(response) => ExecFrame::new(ExecFrameKind::Result, response),
            Err(error) => ExecFrame::new(ExecFrameKind::Error, format!("the result cannot be told: {error}")),
        })
    }
}

fn line(frame: &ExecFrame) -> Bytes {
    // A frame is words, texts and numbers: there is nothing in it that JSON cannot say.
    let mut line = serde_json::to_vec(frame).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}
