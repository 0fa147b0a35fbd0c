use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use reveille_retry::{History, StopReason};
use serde::de::DeserializeOwned;

use super::Whole;
use crate::error::{Answered, Error, explanation};
use crate::record::{AnsweredBy, Record};

/// An answer, with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    version: Version,
    answered: Answered,
    record: Record,
}

impl Response {
    pub(crate) fn of(answer: Whole) -> Self {
        let Whole { version, answered, record } = answer;
        Self { version, answered, record }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.answered.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.answered.headers
    }

    /// The version of HTTP that was spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.answered.body
    }

    /// The body, and nothing else.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.answered.body
    }

    /// The body as text; what is no UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.answered.body)
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// When it is none, or another one.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.answered.body)
            .map_err(|error| Error::of_decode(self.answered.clone(), self.record.clone(), error))
    }

    /// Who says that he made it.
    #[must_use]
    pub fn answered_by(&self) -> AnsweredBy {
        AnsweredBy::of(self.record.site, self.headers())
    }

    /// The sentence in which whoever made it explained himself, where its body is an error of the protocol.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        if self.status().is_success() { None } else { explanation(self.bytes()) }
    }

    /// Every attempt, what it saw and how long was waited after it.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.record.history
    }

    /// Why this answer is the last one although it speaks of the resume window: the retries were spent, say.
    /// `None` where it is an answer like any other.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.record.stop
    }

    /// Whether a request with a side effect may have run without this answer telling of it: one that speaks of
    /// the resume window without proof, or one that came after an attempt of which nothing is known. Look before
    /// you repeat it.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        self.record.may_have_run()
    }

    /// This answer, where its status is a success.
    ///
    /// # Errors
    /// Otherwise: the error that a typed call would have given.
    pub fn error_for_status(self) -> Result<Self, Error> {
        self.to_error().map_or(Ok(self), Err)
    }

    /// What [`error_for_status`](Self::error_for_status) would give, for who wants the body as well.
    #[must_use]
    pub fn to_error(&self) -> Option<Error> {
        let error = || Error::of_status(self.answered.clone(), self.record.clone());
        (!self.status().is_success()).then(error)
    }
}
