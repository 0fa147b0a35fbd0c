use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of an error: `{"error": "text"}`; the control plane adds a number and a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A code (`SANDBOX_ALREADY_EXISTS`) or a sentence.
    pub error: String,
    /// The status again, on the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// A sentence, where `error` is a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ErrorBody {
    /// An error of the data plane, which is a sentence and nothing else.
    pub fn sentence(error: impl Into<String>) -> Self {
        Self { error: error.into(), code: None, message: None }
    }

    /// An error of the control plane.
    pub fn coded(error: impl Into<String>, status: http::StatusCode, message: impl Into<String>) -> Self {
        Self { error: error.into(), code: Some(status.as_u16()), message: Some(message.into()) }
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
