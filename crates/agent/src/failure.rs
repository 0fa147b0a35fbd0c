//! Answers that say no.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use reveille_wire::ErrorBody;

/// A request that cannot be served, as the caller is told of it: a status and one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    sentence: String,
}

impl Failure {
    fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }

    /// 400: the request makes no sense.
    pub(crate) fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// 404: there is no such thing.
    pub(crate) fn absent(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    /// 405: not in this way.
    pub(crate) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this endpoint has no such method")
    }

    /// 422: it makes sense, and it did not work out.
    pub(crate) fn unworkable(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
    }

    /// 413: the body is larger than anything that this endpoint takes.
    pub(crate) fn too_large(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    }

    /// 416: there is not that much of it.
    pub(crate) fn out_of_range(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, sentence)
    }

    /// 409: something else is there already.
    pub(crate) fn conflict(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, sentence)
    }

    /// 503: not now.
    pub(crate) fn busy(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }

    /// 500: it does not work here.
    pub(crate) fn broken(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
    }

    /// 501: there is no such thing here.
    pub(crate) fn not_built(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, sentence)
    }

    /// Whether the request was at fault.
    pub(crate) fn is_bad_request(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST
    }

    /// The sentence.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody::sentence(self.sentence))).into_response()
    }
}
