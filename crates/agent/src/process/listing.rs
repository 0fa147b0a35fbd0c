//! `GET /process`: all processes, one after the other, however many they are and whatever they have said.

use std::convert::Infallible;
use std::iter;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;

use super::child::Process;

/// A JSON array of `all`, of which one element is in memory at a time.
pub(crate) fn answer(all: Vec<Arc<Process>>) -> Response {
    let elements = all.into_iter().enumerate().map(|(index, process)| {
        let mut json = if index == 0 { Vec::new() } else { vec![b','] };
        // It is texts and numbers: there is nothing in it that JSON cannot say.
        json.extend(serde_json::to_vec(&process.response()).unwrap_or_else(|_| b"null".to_vec()));
        Bytes::from(json)
    });
    let begin = iter::once(Bytes::from_static(b"["));
    let parts = begin.chain(elements).chain(iter::once(Bytes::from_static(b"]")));
    let body = Body::from_stream(stream::iter(parts.map(Ok::<_, Infallible>)));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
