use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of an error: `{"error": "text"}`. The control plane adds a number and a message; of a sandbox that it did
/// not make, it says the code as `code`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ErrorBody {
    /// A code (`SANDBOX_ALREADY_EXISTS`) or a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// On the control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// A sentence, where `error` is a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What else is said of a sandbox that was not made.
    #[serde(flatten)]
    pub not_made: Option<Box<NotMade>>,
}

/// What the control plane calls an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorCode {
    /// The status again.
    Status(u16),
    /// Its name (`SANDBOX_ALREADY_EXISTS`), which is the same in whatever sentence it stands.
    Named(String),
}

/// What is said of a sandbox that was not made, beside the code and the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NotMade {
    /// The status again.
    pub status_code: u16,
    /// How it was to be called; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sandbox_name: String,
    /// Where it was to be.
    #[serde(default)]
    pub workspace: String,
    /// When, RFC 3339.
    #[serde(default)]
    pub timestamp: String,
}

impl ErrorBody {
    /// The same of a sandbox that was not made: the code is what names the error.
    #[must_use]
    pub fn of_creation(self, status: http::StatusCode, sandbox: &str, workspace: &str, at: String) -> Self {
        let not_made = NotMade {
            status_code: status.as_u16(),
            sandbox_name: sandbox.to_owned(),
            workspace: workspace.to_owned(),
            timestamp: at,
        };
        Self { code: Some(ErrorCode::Named(self.error.clone())), not_made: Some(Box::new(not_made)), ..self }
    }

    /// An error of the data plane, which is a sentence and nothing else.
    pub fn sentence(error: impl Into<String>) -> Self {
        Self { error: error.into(), ..Self::default() }
    }

    /// An error of the control plane.
    pub fn coded(error: impl Into<String>, status: http::StatusCode, message: impl Into<String>) -> Self {
        let code = Some(ErrorCode::Status(status.as_u16()));
        Self { error: error.into(), code, message: Some(message.into()), not_made: None }
    }
}

/// A name, port or path that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidInput {
    what: &'static str,
    given: String,
    rule: &'static str,
}

impl InvalidInput {
    /// Says that `given` cannot be a `what`, because of `rule`.
    pub fn new(what: &'static str, given: impl Into<String>, rule: &'static str) -> Self {
        Self { what, given: given.into(), rule }
    }

    /// What the value was meant to be, for example `port`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.given.chars().take(80).collect();
        write!(f, "{shown:?} is not a {}: {}", self.what, self.rule)
    }
}

impl std::error::Error for InvalidInput {}
