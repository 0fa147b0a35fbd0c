//! Why a request is not passed on, as its sender is told.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};

/// How the platform's proxy says that it was the firewall.
const PROXY_ERROR: HeaderName = HeaderName::from_static("proxy-error");

/// What a proxy answers.
pub(super) type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Why a request is not passed on.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    why: String,
    is_by_rule: bool,
}

pub(super) fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
    Refused { status, why: why.into(), is_by_rule: false }
}

/// Refused by what the sandbox's record says.
pub(super) fn blocked(why: impl Into<String>) -> Refused {
    Refused { status: StatusCode::FORBIDDEN, why: why.into(), is_by_rule: true }
}

/// The answer that says it.
pub(super) fn refusal(Refused { status, mut why, is_by_rule }: Refused) -> Answer {
    why.push('\n');
    let body = Full::from(why).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if is_by_rule {
        answer.headers_mut().insert(PROXY_ERROR, HeaderValue::from_static("firewall_blocked"));
    }
    answer
}
