use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::{Begun, Response, StreamResponse};

/// An answer, taken as fits it; made by [`Request::fitted`](crate::Request::fitted).
#[derive(Debug)]
pub enum Fitted {
    /// One with its whole body.
    Whole(Response),
    /// Events (`text/event-stream`), which come while they happen.
    Events(StreamResponse),
}

impl Fitted {
    pub(crate) fn of(answer: Box<Begun>) -> Self {
        if are_events(&answer.headers) {
            Self::Events(StreamResponse::of(answer))
        } else {
            Self::Whole(Response::of(answer.into_whole()))
        }
    }
}

/// Whether the body under these headers is a stream of events (WHATWG HTML, 9.2).
pub(super) fn are_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}
