//! What is told of a request, from its head to the end of its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use http::{HeaderValue, Method, Request, StatusCode, Version};
use reveille_wire::header;
use tokio::time::Instant;

use super::access::{Access, AccessLog};

/// The longest id of a request that is taken over.
const MAX_ID: usize = 128;

/// A request's line in the access log. It is written when this is dropped.
pub(super) struct Entry {
    log: Option<Arc<AccessLog>>,
    at: SystemTime,
    since: Instant,
    client: SocketAddr,
    method: Method,
    path: String,
    version: Version,
    id: HeaderValue,
    received: Arc<AtomicU64>,
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
        received: Arc<AtomicU64>,
        log: Option<Arc<AccessLog>>,
    ) -> Self {
        let given = request.headers().get(&header::REQUEST_ID);
        let id = given.filter(|id| id.len() <= MAX_ID && id.as_bytes().iter().all(u8::is_ascii_graphic));
        Self {
            log,
            at: SystemTime::now(),
            since: Instant::now(),
            client,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            version: request.version(),
            id: id.cloned().unwrap_or_else(new_id),
            received,
            sent: 0,
            is_whole: false,
            course: Course::Arrived,
        }
    }

    /// Its id, given or made.
    pub(super) fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// The head of the answer is here; `None`: its connection is reset.
    pub(super) fn answered(&mut self, status: Option<StatusCode>) {
        self.course = Course::Answered(status);
    }

    /// So many bytes of the answer were handed to its connection.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The answer came to its end.
    pub(super) fn ended(&mut self) {
        self.is_whole = true;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let status = match self.course {
            Course::Arrived => None,
            Course::Answered(status) => status,
        };
        let id = self.id.to_str().unwrap_or_default();
        let access = Access {
            at: self.at,
            client: self.client,
            method: &self.method,
            path: &self.path,
            version: self.version,
            status,
            received_bytes: self.received.load(Ordering::Relaxed),
            sent_bytes: self.sent,
            whole: self.is_whole,
            took_ms: self.since.elapsed(),
            id,
        };
        tracing::info!(target: "reveille_host::access", client = %access.client, method = %access.method, path = access.path,
            version = ?access.version, status = status.as_ref().map_or("none", StatusCode::as_str), took = ?access.took_ms, id);
        if let Some(log) = &self.log {
            log.write(&access);
        }
    }
}

fn new_id() -> HeaderValue {
    let id = format!("{:016x}", fastrand::u64(..));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}
