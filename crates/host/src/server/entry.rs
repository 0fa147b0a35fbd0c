//! What is told of a request, from its head to the end of its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Method, Request, StatusCode, Version};
use reveille_wire::header;
use tokio::time::Instant;
use tracing::Level;

use super::access::{Access, AccessLog};
use super::received::Progress;

/// The longest id of a request that is taken over.
const MAX_ID: usize = 128;
/// What the events of requests are told under.
const TARGET: &str = "reveille_host::access";

/// A request's line in the access log, written when this is dropped. Where nobody reads it, it is not even made.
pub(super) struct Entry {
    id: Id,
    line: Option<Box<Line>>,
}

/// A request's id.
#[derive(Clone)]
pub(super) enum Id {
    Given(HeaderValue),
    Made(u64),
}

struct Line {
    log: Option<Arc<AccessLog>>,
    at: SystemTime,
    since: Instant,
    client: SocketAddr,
    method: Method,
    path: String,
    version: Version,
    received: Progress,
    sent: u64,
    is_whole: bool,
    course: Course,
}

/// How far it has come.
#[derive(Clone, Copy)]
enum Course {
    /// Whoever asked went away before there was an answer.
    Arrived,
    /// `None`: its connection was reset.
    Answered(Option<StatusCode>),
}

impl Entry {
    pub(super) fn of<B>(
        request: &Request<B>,
        client: SocketAddr,
        received: &Progress,
        log: Option<&Arc<AccessLog>>,
    ) -> Self {
        let is_read = log.is_some() || tracing::enabled!(target: TARGET, Level::INFO);
        let line = is_read.then(|| {
            Box::new(Line {
                log: log.cloned(),
                at: SystemTime::now(),
                since: Instant::now(),
                client,
                method: request.method().clone(),
                path: request.uri().path().to_owned(),
                version: request.version(),
                received: received.clone(),
                sent: 0,
                is_whole: false,
                course: Course::Arrived,
            })
        });
        Self { id: Id::of(request), line }
    }

    /// Its id, given or made.
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    /// The head of the answer is here; `None`: its connection is reset.
    pub(super) fn answered(&mut self, status: Option<StatusCode>) {
        if let Some(line) = &mut self.line {
            line.course = Course::Answered(status);
        }
    }

    /// So many bytes of the answer were handed to its connection.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.sent += bytes as u64;
        }
    }

    /// The answer came to its end.
    pub(super) fn ended(&mut self) {
        if let Some(line) = &mut self.line {
            line.is_whole = true;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.tell(&self.id.value());
        }
    }
}

impl Line {
    fn tell(&self, id: &HeaderValue) {
        let status = match self.course {
            Course::Arrived => None,
            Course::Answered(status) => status,
        };
        let id = id.to_str().unwrap_or_default();
        let access = Access {
            at: self.at,
            client: self.client,
            method: &self.method,
            path: &self.path,
            version: self.version,
            status,
            received_bytes: self.received.bytes(),
            sent_bytes: self.sent,
            whole: self.is_whole,
            took_ms: self.since.elapsed(),
            id,
        };
        tracing::info!(target: TARGET, client = %access.client, method = %access.method, path = access.path,
            version = ?access.version, status = status.as_ref().map_or("none", StatusCode::as_str), took = ?access.took_ms, id);
        if let Some(log) = &self.log {
            log.write(&access);
        }
    }
}

impl Id {
    fn of<B>(request: &Request<B>) -> Self {
        // Few names are gone over faster than one is looked up.
        let mut headers = request.headers().iter();
        let given = headers.find(|(name, _)| **name == header::REQUEST_ID).map(|(_, id)| id);
        match given.filter(|id| id.len() <= MAX_ID && id.as_bytes().iter().all(u8::is_ascii_graphic)) {
            Some(given) => Self::Given(given.clone()),
            None => Self::Made(fastrand::u64(..)),
        }
    }

    /// As it stands in a header.
    pub(super) fn value(&self) -> HeaderValue {
        match self {
            Self::Given(given) => given.clone(),
            Self::Made(made) => {
                HeaderValue::try_from(format!("{made:016x}")).unwrap_or(HeaderValue::from_static("-"))
            }
        }
    }
}
