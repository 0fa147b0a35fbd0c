//! How errors are made.

use std::sync::Arc;

use reveille_retry::{FaultKind, StopReason};
use reveille_wire::InvalidInput;

use super::words::{explanation, phrase};
use super::{Answered, Error, ErrorKind, Inner, Source};
use crate::record::{Probed, Record, Step};

impl Error {
    pub(super) fn new(kind: ErrorKind) -> Self {
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

    pub(super) fn caused_by(mut self, source: impl Into<Source>) -> Self {
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
}
