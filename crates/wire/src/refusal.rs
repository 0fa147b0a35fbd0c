use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::{GatewayCode, GatewayError, GatewayErrorBody, header};

/// An answer that a gateway makes by itself, to a request that no server in a sandbox has answered.
///
/// Headers and body say the same: the code, who says it (`platform`), and, where it is known, that the request was
/// not handed on.
///
/// ```
/// use std::time::Duration;
/// use reveille_wire::{GatewayCode, Refusal, header};
///
/// let refusal = Refusal::new(GatewayCode::WorkloadUnavailable, "it is resuming")
///     .not_dispatched()
///     .retry_after(Duration::from_millis(300));
/// let response = refusal.into_response(String::new());
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.headers()["retry-after"], "1");
/// assert_eq!(response.headers()[header::RETRY_AFTER_MS], "300");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    error: Box<GatewayError>,
    retry_after: Option<Duration>,
    is_final: bool,
}

impl Refusal {
    /// A refusal with one of the platform's codes and the status that goes with it.
    pub fn new(code: GatewayCode, message: impl Into<String>) -> Self {
        Self::coded(code.status(), code.as_str(), message)
    }

    /// A refusal for which the platform has no code.
    pub fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let error = Box::new(GatewayError { message: message.into(), ..GatewayError::default() });
        Self { status, code, error, retry_after: None, is_final: false }
    }

    /// It may be well in a moment.
    pub fn retryable(mut self) -> Self {
        self.error.retryable = true;
        self
    }

    /// Adds the proof of the vendor's draft that nobody has seen the request: it may be sent again, whatever it is.
    pub fn not_dispatched(mut self) -> Self {
        self.error.dispatch_state = Some(header::NOT_DISPATCHED.to_owned());
        self.error.safe_to_retry_request = Some(true);
        self.retryable()
    }

    /// How long to wait at least before the next try. In whole seconds it is rounded up, and never 0: there are
    /// clients that take 0 as "at once".
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Tells clients that repeat what they should not that this request is not to be sent again: it may have run.
    pub fn not_to_be_repeated(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// What to do about it.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.error.action = action.into();
        self
    }

    /// What not to do.
    pub fn do_not(mut self, do_not: impl Into<String>) -> Self {
        self.error.do_not = do_not.into();
        self
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer, made at `timestamp` (RFC 3339).
    #[must_use]
    pub fn into_response(mut self, timestamp: String) -> Response<Vec<u8>> {
        self.error.code = self.code.to_owned();
        self.error.status = self.status.as_u16();
        self.error.origin = header::SOURCE_PLATFORM.to_owned();
        self.error.timestamp = timestamp;
        let mut headers = HeaderMap::new();
        self.write_headers(&mut headers);
        // Text and numbers only: this cannot fail.
        let json = serde_json::to_vec(&GatewayErrorBody { error: *self.error }).unwrap_or_default();
        let mut response = Response::new(json);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::SOURCE, HeaderValue::from_static(header::SOURCE_PLATFORM));
        headers.insert(header::ERROR_CODE, HeaderValue::from_static(self.code));
        if self.error.dispatch_state.is_some() {
            headers.insert(header::DISPATCH_STATE, HeaderValue::from_static(header::NOT_DISPATCHED));
        }
        if let Some(wait) = self.retry_after {
            let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(milliseconds.div_ceil(1000)));
            headers.insert(header::RETRY_AFTER_MS, HeaderValue::from(milliseconds));
        }
        if self.is_final {
            headers.insert(header::SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GatewayAnswer, refusal_of};

    fn waits(wait: Duration) -> (String, String) {
        let refusal = Refusal::new(GatewayCode::WorkloadUnavailable, "x").retry_after(wait);
        let response = refusal.into_response(String::new());
        let text = |name: &http::HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        (text(&RETRY_AFTER), text(&header::RETRY_AFTER_MS))
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early_or_at_once() {
        let said = |seconds: &str, milliseconds: &str| (seconds.to_owned(), milliseconds.to_owned());
        assert_eq!(waits(Duration::ZERO), said("1", "1"));
        assert_eq!(waits(Duration::from_nanos(1)), said("1", "1"));
        assert_eq!(waits(Duration::from_millis(1000)), said("1", "1000"));
        assert_eq!(waits(Duration::from_millis(1001)), said("2", "1001"));
        assert_eq!(waits(Duration::MAX).1, u64::MAX.to_string());
    }

    #[test]
    fn a_client_reads_the_proof_that_is_written() {
        let refusal = Refusal::new(GatewayCode::WorkloadUnavailable, "it is resuming").not_dispatched();
        let response = refusal.into_response("2026-01-01T00:00:00Z".to_owned());
        let read = refusal_of(response.status(), response.headers(), Some(response.body()));
        assert_eq!(read, Some(GatewayAnswer::NotDispatched));
    }

    #[test]
    fn without_a_proof_there_is_none() {
        let refusal = Refusal::new(GatewayCode::WorkloadUnavailable, "it is resuming").retryable();
        let response = refusal.into_response(String::new());
        let read = refusal_of(response.status(), response.headers(), Some(response.body()));
        assert_eq!(read, Some(GatewayAnswer::Unavailable));
        assert!(!response.headers().contains_key(header::SHOULD_RETRY));
    }
}
