mod made;
mod words;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reveille_retry::{Attempt, Dispatch, Fault, FaultKind, History, Replay, Seen, StopReason, retry_after};
use reveille_wire::{InvalidInput, header};

use crate::record::{AnsweredBy, Probed, Record, Site, Step};
pub(crate) use words::explanation;

/// What lies beneath an error.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// How much of a body an error keeps, in bytes.
pub(crate) const PREVIEW: usize = 4 * 1024;

/// Why a call brought no result.
///
/// It answers three questions: is the sandbox still asleep ([`is_unavailable`](Self::is_unavailable)), may
/// the request have run ([`may_have_run`](Self::may_have_run)), and what was tried
/// ([`history`](Self::history)). Its `Display` is one line that says all of it.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    said: Option<String>,
    record: Option<Record>,
    answer: Option<Answered>,
    process: Option<String>,
    source: Option<Source>,
    probe: Option<Probed>,
    /// What a stream broke by, after the head of its answer.
    broke: Option<FaultKind>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name, port, path, header or body that cannot be used. Nothing was sent.
    Input,
    /// A setting is missing or cannot be read. Nothing was sent.
    Settings,
    /// The sandbox, or the way to it, stayed unavailable until the call had to stop.
    Unavailable,
    /// The credentials are missing, wrong, or not good for this (401, 402, 403).
    Denied,
    /// There is no such thing (404).
    NotFound,
    /// It is there already, or in a state that forbids this (409).
    Conflict,
    /// Another error status.
    Rejected,
    /// A failure that no retry mends: a certificate, a proxy, this machine.
    Transport,
    /// The answer is not what the protocol says.
    Decode,
    /// A stream, or a list of pages, ended before its end.
    Interrupted,
    /// A file of this machine cannot be read or written.
    File,
}

/// The answer that an error is made of.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    fn preview(mut self) -> Self {
        // A copy, so that a large body is not held for the sake of its beginning.
        self.body = Bytes::copy_from_slice(&self.body[..self.body.len().min(PREVIEW)]);
        self
    }
}

impl Error {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The method of the request, where one was made.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.0.record.as_ref().map(|record| &record.method)
    }

    /// The path of the request, below the sandbox or the control plane, without its query.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.record.as_ref().map(|record| record.path.as_str())
    }

    /// Where the request went, or was to go.
    #[must_use]
    pub fn site(&self) -> Option<Site> {
        self.0.record.as_ref().map(|record| record.site)
    }

    /// Who made the last answer, where there was one.
    #[must_use]
    pub fn answered_by(&self) -> Option<AnsweredBy> {
        Some(AnsweredBy::of(self.site()?, self.headers()?))
    }

    /// The status of the last answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.answer.as_ref().map(|answer| answer.status)
    }

    /// The headers of the last answer, where there was one.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.answer.as_ref().map(|answer| &answer.headers)
    }

    /// The last answer's body, where there was one: its first 4 KiB, or all that came of one that broke.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.0.answer.as_ref().map(|answer| &answer.body)
    }

    /// The code under which the platform files the last answer, where it said one: `WORKLOAD_NOT_FOUND`, say.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.headers().and_then(|headers| headers.get(header::ERROR_CODE)).and_then(|code| code.to_str().ok())
    }

    /// The sentence in which whoever answered explained himself, or the one in which this crate does.
    #[must_use]
    pub fn explanation(&self) -> Option<&str> {
        self.0.said.as_deref()
    }

    /// Every attempt, what it saw and how long was waited after it.
    #[must_use]
    pub fn history(&self) -> Option<&History> {
        self.0.record.as_ref().map(|record| &record.history)
    }

    /// How often the request was sent, or was to be.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.history().map_or(0, History::len)
    }

    /// Whether the request of the last attempt can have been carried out. `None` when there was none.
    #[must_use]
    pub fn dispatch(&self) -> Option<Dispatch> {
        self.last().map(|attempt| attempt.dispatch)
    }

    /// Whether a request with a side effect may have run although no usable answer came: after a drop, a 503
    /// without proof, or an answer that broke or made no sense. Look before you repeat it.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        let Some(record) = &self.0.record else { return false };
        let broken = matches!(self.0.kind, ErrorKind::Interrupted | ErrorKind::Decode)
            && record.ended == Step::Attempt;
        (broken && record.replay != Replay::Read) || record.may_have_run()
    }

    /// Whether the sandbox, or the way to it, stayed unavailable until the call had to stop.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.0.kind == ErrorKind::Unavailable
    }

    /// Whether the caller's own retry could help without doing harm. It is false where retries were made
    /// already: they are spent, and an outer loop would only multiply them.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_unavailable() && !self.may_have_run() && self.stop_reason() == Some(StopReason::RetriesOff)
    }

    /// Why nothing was sent again, where something could have been.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.0.record.as_ref().and_then(|record| record.stop)
    }

    /// How long the server asked to wait, where it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.headers().and_then(retry_after).or_else(|| self.0.probe.and_then(|probe| probe.asked))
    }

    /// The id under which the server knows the last request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.headers().and_then(|headers| headers.get(header::REQUEST_ID)).and_then(|id| id.to_str().ok())
    }

    /// The process that it is about: what it can be asked for by, whatever has become of it.
    #[must_use]
    pub fn process(&self) -> Option<&str> {
        self.0.process.as_deref()
    }

    /// The fault of the last attempt, where it was one, or the one that a stream broke by.
    #[must_use]
    pub fn last_fault(&self) -> Option<Fault> {
        if let Some(kind) = self.0.broke {
            return Some(Fault::answered(kind));
        }
        match self.last()? {
            Attempt { seen: Seen::Fault(kind), dispatch, .. } => {
                Some(Fault { kind: *kind, dispatch: *dispatch })
            }
            _ => None,
        }
    }

    /// What the last probe of the call saw, where the sandbox did not wake in time
    /// ([`StopReason::NoWord`]) and this call was the one that asked.
    #[must_use]
    pub fn probe_saw(&self) -> Option<Seen> {
        self.0.probe.map(|probe| probe.seen)
    }

    fn last(&self) -> Option<&Attempt> {
        self.history().and_then(History::last)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.to_string())
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<InvalidInput> for Error {
    fn from(invalid: InvalidInput) -> Self {
        Self::new(ErrorKind::Input).caused_by(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_may_travel() {
        fn travels<T: Send + Sync + 'static>() {}
        travels::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
