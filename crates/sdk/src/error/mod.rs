mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reveille_retry::{Attempt, Dispatch, Fault, FaultKind, History, Replay, Seen, StopReason, retry_after};
use reveille_wire::{InvalidInput, header};

use crate::record::{AnsweredBy, Probed, Record, Site, Step};
pub(crate) use words::explanation;
use words::phrase;

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
    fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            said: None,
            record: None,
            answer: None,
            process: None,
            source: None,
            probe: None,
            broke: None,
        }))
    }

    fn saying(mut self, said: impl Into<String>) -> Self {
        self.0.said = Some(said.into());
        self
    }

    fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn input(said: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input).saying(said)
    }

    pub(crate) fn settings(said: impl Into<String>) -> Self {
        Self::new(ErrorKind::Settings).saying(said)
    }

    pub(crate) fn local(source: std::io::Error) -> Self {
        Self::new(ErrorKind::Transport)
            .saying("this machine gives no runtime to make calls on")
            .caused_by(source)
    }

    /// A file of this machine could not be used.
    pub(crate) fn of_file(said: &str, source: std::io::Error) -> Self {
        Self::new(ErrorKind::File).saying(format!("{said}: {source}")).caused_by(source)
    }

    /// A success that is no file although one was asked for.
    pub(crate) fn no_file(said: &str, record: Record) -> Self {
        let mut error = Self::new(ErrorKind::Decode).saying(said);
        error.0.record = Some(record);
        error
    }

    pub(crate) fn no_key() -> Self {
        Self::settings(
            "no API key: set BL_API_KEY, give the client one, log in with the platform's CLI \
             (~/.blaxel/config.yaml), or start a local host",
        )
    }

    pub(crate) fn no_workspace() -> Self {
        Self::settings("no workspace: set BL_WORKSPACE, give the client one, or start a local host")
    }

    pub(crate) fn bad_base(invalid: InvalidInput) -> Self {
        Self::settings(format!("BL_API_URL, BL_RUN_URL or what was named in their place: {invalid}"))
            .caused_by(invalid)
    }

    /// A call that ended with a fault.
    pub(crate) fn of_fault(kind: FaultKind, record: Record, source: Option<Source>) -> Self {
        let kind = match kind {
            FaultKind::Unsendable | FaultKind::RequestBody => ErrorKind::Input,
            FaultKind::TooLarge => ErrorKind::Decode,
            FaultKind::Deadline => ErrorKind::Unavailable,
            kind if kind.is_transient() => ErrorKind::Unavailable,
            _ => ErrorKind::Transport,
        };
        let mut error = Self::new(kind);
        error.0.record = Some(record);
        error.0.source = source;
        error
    }

    /// A call that ended with a status that is no success.
    pub(crate) fn of_status(answer: Answered, record: Record) -> Self {
        let kind = match answer.status.as_u16() {
            _ if record.stop.is_some() => ErrorKind::Unavailable,
            401..=403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            _ => ErrorKind::Rejected,
        };
        let mut error = Self::new(kind);
        error.0.said = explanation(&answer.body);
        error.0.record = Some(record);
        error.0.answer = Some(answer.preview());
        error
    }

    /// A call that was not sent, as its sandbox did not wake in time.
    pub(crate) fn unsent(record: Record, probe: Option<Probed>) -> Self {
        let mut error = Self::new(ErrorKind::Unavailable);
        error.0.probe = probe;
        error.0.record = Some(Record { ended: Step::Preparation, ..record });
        error
    }

    /// A call that was not made, as no access token was to be had for it.
    pub(crate) fn of_token(why: Arc<Self>, record: Record) -> Self {
        let mut error = Self::new(why.kind()).saying(format!("no access token: {why}"));
        error.0.record = Some(Record { ended: Step::Preparation, ..record });
        error.0.source = Some(Box::new(why));
        error
    }

    /// Adds the answer whose body broke.
    pub(crate) fn with_answer(mut self, answer: Answered) -> Self {
        self.0.answer = Some(answer);
        self
    }

    /// A success whose body is not what the protocol says.
    pub(crate) fn of_decode(answer: Answered, record: Record, source: impl Into<Source>) -> Self {
        let mut error = Self::new(ErrorKind::Decode).caused_by(source);
        error.0.record = Some(record);
        error.0.answer = Some(answer.preview());
        error
    }

    /// A stream that broke after `received` bytes.
    pub(crate) fn of_stream(
        received: u64,
        expected: Option<u64>,
        mut record: Record,
        kind: FaultKind,
        source: Option<Source>,
    ) -> Self {
        if kind == FaultKind::Deadline {
            record.stop = Some(StopReason::Deadline);
        }
        let of = expected.map(|all| format!(" of {all}")).unwrap_or_default();
        let why = phrase(kind);
        let mut error =
            Self::of_broken_stream(&format!("the body ended after {received}{of} bytes: {why}"), record);
        error.0.source = source;
        error.0.broke = Some(kind);
        error
    }

    /// A process that cannot be followed to its end.
    pub(crate) fn of_process(said: &str, process: &str) -> Self {
        Self::new(ErrorKind::Interrupted).saying(format!("process {process}: {said}")).about(process)
    }

    /// A terminal that cannot be shown to its end.
    #[cfg(feature = "terminal")]
    pub(crate) fn of_terminal(said: &str, session: &str) -> Self {
        Self::new(ErrorKind::Interrupted).saying(format!("terminal {session}: {said}"))
    }

    /// A success whose body says that it was none.
    pub(crate) fn of_refusal(said: &str, record: Record) -> Self {
        let mut error = Self::new(ErrorKind::Rejected).saying(said);
        error.0.record = Some(record);
        error
    }

    /// The same error, with the process that it is about.
    pub(crate) fn about(mut self, process: &str) -> Self {
        self.0.process.get_or_insert_with(|| process.to_owned());
        self
    }

    /// A stream that ended before its end, and how.
    pub(crate) fn of_broken_stream(said: &str, record: Record) -> Self {
        let mut error = Self::new(ErrorKind::Interrupted).saying(said);
        error.0.record = Some(record);
        error
    }

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
