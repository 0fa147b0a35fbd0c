//! Why a request is not passed on, as its sender is told.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};

/// What a proxy answers.
pub(super) type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Why a request is not passed on.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    why: String,
}

pub(super) fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
    Refused { status, why: why.into() }
}

/// The answer that says it.
pub(super) fn refusal(Refused { status, mut why }: Refused) -> Answer {
    why.push('\n');
    let body = Full::from(why).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
