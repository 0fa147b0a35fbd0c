use std::fmt;
use std::io;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use reveille_wire::{ErrorBody, SandboxName, header};

use crate::sandbox::Refusal;
use crate::store::Unwritten;

/// An error of the control plane: `{error, code, message}`.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    body: ErrorBody,
    asked_again: AskedAgain,
}

/// What comes of the same request a moment later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedAgain {
    /// Perhaps something else.
    Perhaps,
    /// The same. Clients that repeat whatever is refused are told, so that their callers do not wait for that.
    TheSame,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, error: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody::coded(error, status, message);
        Self { status, body, asked_again: AskedAgain::Perhaps }
    }

    /// Something else has the name, and will have it.
    pub(super) fn exists(error: &str, message: impl Into<String>) -> Self {
        Self { asked_again: AskedAgain::TheSame, ..Self::new(StatusCode::CONFLICT, error, message) }
    }

    /// What it says to people.
    pub(super) fn message(&self) -> &str {
        self.body.message.as_deref().unwrap_or_default()
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::coded_not_found("SANDBOX_NOT_FOUND", message)
    }

    pub(super) fn coded_not_found(error: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, message)
    }

    pub(super) fn no_such_sandbox(name: &SandboxName) -> Self {
        Self::not_found(format!("there is no sandbox called {name}"))
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
    }

    pub(super) fn broken_off() -> Self {
        Self::internal("the host broke off in the middle; this is a mistake in it")
    }

    /// What becomes of a failure of the disk.
    pub(super) fn of_disk(what: impl fmt::Display, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Unwritten::Full.into(),
            _ => Self::internal(format!("{what}: {error}")),
        }
    }

    pub(super) fn not_woken(refusal: &Refusal) -> Self {
        let (status, message) = match refusal {
            Refusal::Full => (StatusCode::SERVICE_UNAVAILABLE, "too many wait for it already".to_owned()),
            Refusal::Late | Refusal::Waking { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "it takes longer than a request may wait".to_owned())
            }
            Refusal::Gone => (StatusCode::NOT_FOUND, "it is being deleted".to_owned()),
            Refusal::Failed(reason) | Refusal::Unfit(reason) => {
                (StatusCode::INTERNAL_SERVER_ERROR, reason.to_string())
            }
        };
        Self::new(status, "SANDBOX_UNAVAILABLE", format!("the sandbox did not wake: {message}"))
    }
}

impl From<Unwritten> for Failure {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "STORAGE_FULL",
                "the host's disk is full: delete a sandbox that is not needed, or make room",
            ),
            Unwritten::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "SHUTTING_DOWN", "the host is stopping")
            }
            Unwritten::Failed(reason) => Self::internal(format!("the record could not be written: {reason}")),
        }
    }
}

/// Why a sandbox was not made, in the shape that clients read of a creation:
/// `{code: "SANDBOX_ALREADY_EXISTS", message, status_code, sandbox_name, workspace, timestamp}`. The `error` that
/// clients of an older version read stands beside it.
#[derive(Debug)]
pub(super) struct NotMade(Failure);

impl NotMade {
    pub(super) fn new(failure: Failure, sandbox: &str, workspace: &str, at: String) -> Self {
        let body = failure.body.of_creation(failure.status, sandbox, workspace, at);
        Self(Failure { body, ..failure })
    }
}

impl IntoResponse for NotMade {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.asked_again == AskedAgain::TheSame {
            response.headers_mut().insert(header::SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}
