//! Which life of a sandbox this is.

use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// Names one life of a sandbox, from the start of its agent to its end. An upgrade is part of it; where the sandbox
/// starts anew, nothing of what ran is left, and the name is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boot(String);

impl Boot {
    /// A name that nothing has had before.
    pub(crate) fn new() -> Self {
        Self(format!("{:016x}", fastrand::u64(..)))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, as a header has it. It is of letters and digits; what is not is no name.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(&self.0).ok()
    }
}
