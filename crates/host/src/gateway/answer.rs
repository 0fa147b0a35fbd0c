//! What the gateway answers by itself.

use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use reveille_wire::{GatewayCode, GatewayError, GatewayErrorBody, header};

/// An answer of the platform to a request that it did not get answered by a sandbox.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: &'static str,
    error: GatewayError,
    retry_after: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(code: GatewayCode, message: impl Into<String>) -> Self {
        Self::coded(code.status(), code.as_str(), message)
    }

    fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let mut error = GatewayError::default();
        error.message = message.into();
        Self { status, code, error, retry_after: None }
    }

    /// 503: it resumes, for so long at least.
    pub(super) fn resuming(left: Duration) -> Self {
        let code = GatewayCode::WorkloadUnavailable.as_str();
        let mut refused =
            Self::coded(StatusCode::SERVICE_UNAVAILABLE, code, "the sandbox is resuming").retryable();
        refused.retry_after = Some(left);
        refused
    }

    /// 502: the agent had the request, and its connection broke before an answer came.
    pub(super) fn broken(message: impl Into<String>) -> Self {
        // Not one of the platform's codes: its gateway says nothing but the status here.
        Self::coded(StatusCode::BAD_GATEWAY, "BAD_GATEWAY", message)
            .retryable()
            .do_not("repeat a request that must not run twice: the sandbox may have carried it out")
    }

    pub(crate) fn retryable(mut self) -> Self {
        self.error.retryable = true;
        self
    }

    /// Adds the proof of the vendor's draft that the sandbox has not seen the request.
    pub(super) fn not_dispatched(mut self) -> Self {
        self.error.dispatch_state = Some(header::NOT_DISPATCHED.to_owned());
        self.error.safe_to_retry_request = Some(true);
        self
    }

    pub(crate) fn action(mut self, action: &str) -> Self {
        action.clone_into(&mut self.error.action);
        self
    }

    fn do_not(mut self, do_not: &str) -> Self {
        do_not.clone_into(&mut self.error.do_not);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn into_response(mut self) -> Response<Body> {
        self.error.code = self.code.to_owned();
        self.error.status = self.status.as_u16();
        self.error.origin = header::SOURCE_PLATFORM.to_owned();
        self.error.timestamp = crate::clock::now();
        let proven = self.error.dispatch_state.is_some();
        // Text and numbers only: this cannot fail.
        let json = serde_json::to_vec(&GatewayErrorBody { error: self.error }).unwrap_or_default();
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::SOURCE, HeaderValue::from_static(header::SOURCE_PLATFORM));
        headers.insert(header::ERROR_CODE, HeaderValue::from_static(self.code));
        if proven {
            headers.insert(header::DISPATCH_STATE, HeaderValue::from_static(header::NOT_DISPATCHED));
        }
        if let Some(left) = self.retry_after {
            // Rounded down, so that nobody is asked to wait longer than it takes.
            headers.insert(RETRY_AFTER, HeaderValue::from(left.as_secs()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
