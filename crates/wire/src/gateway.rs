use http::{HeaderMap, HeaderName, StatusCode};
use serde::{Deserialize, Serialize};

use crate::header;

/// The largest body in which a refusal is looked for, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The error codes with which a gateway answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum GatewayCode {
    /// The URL names nothing.
    RouteNotFound,
    /// No such sandbox.
    WorkloadNotFound,
    /// No such workspace.
    WorkspaceNotFound,
    /// It exists, but nothing healthy serves it right now.
    WorkloadUnavailable,
    /// No credentials came along.
    AuthenticationRequired,
    /// The credentials are wrong.
    AuthenticationFailed,
    /// The credentials are right, but not for this.
    Forbidden,
    /// The request makes no sense.
    BadRequest,
    /// The account is over its limit.
    UsageLimitExceeded,
    /// A policy forbids it.
    PolicyViolation,
    /// The body is too large.
    RequestEntityTooLarge,
    /// Nothing listens on the port of the sandbox that the request is for, so that nobody has seen it. Ours: the
    /// platform's gateway says nothing but the status.
    PortNotListening,
    /// What listens on the port takes no connections, so that nobody has seen the request. Ours, too.
    PortNotAccepting,
    /// The sandbox, or the server in it, broke off before it answered. The request may have run. Ours, too.
    BadGateway,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

impl GatewayCode {
    /// The code as it stands in headers and bodies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RouteNotFound => "ROUTE_NOT_FOUND",
            Self::WorkloadNotFound => "WORKLOAD_NOT_FOUND",
            Self::WorkspaceNotFound => "WORKSPACE_NOT_FOUND",
            Self::WorkloadUnavailable => "WORKLOAD_UNAVAILABLE",
            Self::AuthenticationRequired => "AUTHENTICATION_REQUIRED",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::Forbidden => "FORBIDDEN",
            Self::BadRequest => "BAD_REQUEST",
            Self::UsageLimitExceeded => "USAGE_LIMIT_EXCEEDED",
            Self::PolicyViolation => "POLICY_VIOLATION",
            Self::RequestEntityTooLarge => "REQUEST_ENTITY_TOO_LARGE",
            Self::PortNotListening => "PORT_NOT_LISTENING",
            Self::PortNotAccepting => "PORT_NOT_ACCEPTING",
            Self::BadGateway => "BAD_GATEWAY",
            Self::Other => "OTHER",
        }
    }

    /// The status that goes with the code.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::RouteNotFound
            | Self::WorkloadNotFound
            | Self::WorkspaceNotFound
            | Self::WorkloadUnavailable => StatusCode::NOT_FOUND,
            Self::AuthenticationRequired | Self::AuthenticationFailed => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::PolicyViolation => StatusCode::FORBIDDEN,
            Self::BadRequest | Self::Other => StatusCode::BAD_REQUEST,
            Self::UsageLimitExceeded => StatusCode::PAYMENT_REQUIRED,
            Self::RequestEntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::PortNotListening | Self::PortNotAccepting | Self::BadGateway => StatusCode::BAD_GATEWAY,
        }
    }
}

/// The body of an answer that a gateway made by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayErrorBody {
    /// The error.
    pub error: GatewayError,
}

/// What a gateway says of a request that it did not hand on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GatewayError {
    /// One of [`GatewayCode`].
    pub code: String,
    /// The status again.
    pub status: u16,
    /// A sentence.
    pub message: String,
    /// `platform`.
    pub origin: String,
    /// Whether it may be well in a moment.
    pub retryable: bool,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// What not to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub do_not: String,
    /// Where it is explained.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docs_url: String,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timestamp: String,
    /// `not_dispatched` when the request never left the gateway (vendor's draft).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatch_state: Option<String>,
    /// Whether any request may be sent again (vendor's draft).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_to_retry_request: Option<bool>,
}

/// What a 404 of the gateway says of a sandbox that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayAnswer {
    /// Nothing healthy serves it right now; whether the request was handed on is not said.
    Unavailable,
    /// The same, and headers and body agree that the request was not handed on.
    NotDispatched,
}

/// Reads a refusal of the gateway out of a response, or `None` where it is anything else.
///
/// The headers alone say [`GatewayAnswer::Unavailable`], unless the body contradicts them. For
/// [`GatewayAnswer::NotDispatched`] status, headers and body must all agree, each header once, to the
/// letter. `body` is the whole body, or `None` where it is not known (HEAD, a stream, over 64 KiB).
///
/// ```
/// # use http::{HeaderMap, StatusCode};
/// use reveille_wire::refusal_of;
/// // An app's own 404 does not carry the platform's headers.
/// assert_eq!(refusal_of(StatusCode::NOT_FOUND, &HeaderMap::new(), Some(b"{}")), None);
/// ```
#[must_use]
pub fn refusal_of(status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> Option<GatewayAnswer> {
    let unavailable = GatewayCode::WorkloadUnavailable.as_str();
    let named = status == StatusCode::NOT_FOUND
        && only(headers, &header::SOURCE) == Some(header::SOURCE_PLATFORM)
        && only(headers, &header::ERROR_CODE) == Some(unavailable);
    if !named {
        return None;
    }
    let body = match body {
        Some(body) if !body.is_empty() && body.len() <= MAX_BODY => body,
        _ => return Some(GatewayAnswer::Unavailable),
    };
    // A body that cannot be read is no contradiction, and no proof either.
    let Ok(GatewayErrorBody { error }) = serde_json::from_slice(body) else {
        return Some(GatewayAnswer::Unavailable);
    };
    if error.code != unavailable || !error.retryable {
        return None;
    }
    let agrees = only(headers, &header::DISPATCH_STATE) == Some(header::NOT_DISPATCHED)
        && error.origin == header::SOURCE_PLATFORM
        && error.dispatch_state.as_deref() == Some(header::NOT_DISPATCHED)
        && error.safe_to_retry_request == Some(true);
    Some(if agrees { GatewayAnswer::NotDispatched } else { GatewayAnswer::Unavailable })
}

/// The value of a header that stands exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn platform() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::SOURCE, HeaderValue::from_static("platform"));
        headers.insert(header::ERROR_CODE, HeaderValue::from_static("WORKLOAD_UNAVAILABLE"));
        headers.insert(header::DISPATCH_STATE, HeaderValue::from_static("not_dispatched"));
        headers
    }

    const PROOF: &[u8] = br#"{"error":{"code":"WORKLOAD_UNAVAILABLE","origin":"platform","retryable":true,
        "dispatch_state":"not_dispatched","safe_to_retry_request":true}}"#;

    fn read(headers: &HeaderMap, body: &[u8]) -> Option<GatewayAnswer> {
        refusal_of(StatusCode::NOT_FOUND, headers, Some(body))
    }

    #[test]
    fn headers_and_body_together_are_a_proof() {
        assert_eq!(read(&platform(), PROOF), Some(GatewayAnswer::NotDispatched));
    }

    #[test]
    fn headers_alone_say_unavailable_but_prove_nothing() {
        assert_eq!(refusal_of(StatusCode::NOT_FOUND, &platform(), None), Some(GatewayAnswer::Unavailable));
        for odd in [&b"<html>"[..], b"\xff\xfe", b"{}x", &[b'['; 5000], &vec![b' '; 70_000]] {
            assert_eq!(read(&platform(), odd), Some(GatewayAnswer::Unavailable));
        }
    }

    #[test]
    fn each_missing_word_takes_the_proof_away() {
        let text = std::str::from_utf8(PROOF).unwrap();
        for (from, to) in [
            (r#""origin":"platform""#, r#""origin":"app""#),
            (r#""dispatch_state":"not_dispatched""#, r#""dispatch_state":"unknown""#),
            (r#""safe_to_retry_request":true"#, r#""safe_to_retry_request":false"#),
        ] {
            assert_eq!(
                read(&platform(), text.replace(from, to).as_bytes()),
                Some(GatewayAnswer::Unavailable)
            );
        }
        let mut headers = platform();
        headers.remove(header::DISPATCH_STATE);
        assert_eq!(read(&headers, PROOF), Some(GatewayAnswer::Unavailable));
    }

    #[test]
    fn a_body_that_contradicts_its_headers_is_an_answer() {
        let text = std::str::from_utf8(PROOF).unwrap();
        let other = text.replace(r#""code":"WORKLOAD_UNAVAILABLE""#, r#""code":"WORKLOAD_NOT_FOUND""#);
        assert_eq!(read(&platform(), other.as_bytes()), None);
        assert_eq!(
            read(&platform(), text.replace(r#""retryable":true"#, r#""retryable":false"#).as_bytes()),
            None
        );
    }

    #[test]
    fn retryable_as_a_string_is_no_proof() {
        let text =
            std::str::from_utf8(PROOF).unwrap().replace(r#""retryable":true"#, r#""retryable":"true""#);
        assert_eq!(read(&platform(), text.as_bytes()), Some(GatewayAnswer::Unavailable));
    }

    #[test]
    fn a_header_that_stands_twice_or_not_at_all_is_an_apps_answer() {
        let mut twice = platform();
        twice.append(header::SOURCE, HeaderValue::from_static("platform"));
        assert_eq!(read(&twice, PROOF), None);
        let mut listed = platform();
        listed.insert(header::SOURCE, HeaderValue::from_static("platform, platform"));
        assert_eq!(read(&listed, PROOF), None);
        assert_eq!(read(&HeaderMap::new(), PROOF), None);
        assert_eq!(refusal_of(StatusCode::SERVICE_UNAVAILABLE, &platform(), Some(PROOF)), None);
    }
}
