use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reveille_retry::{
    Attempt, Dispatch, Fault, FaultKind, History, Proof, Replay, Seen, StopReason, retry_after,
};
use reveille_wire::{ErrorBody, GatewayErrorBody, InvalidInput, header};

use crate::transport::Broken;

/// What lies beneath an error.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// How much of a body an error keeps, in bytes.
const PREVIEW: usize = 4 * 1024;
/// How much of a server's sentence an error shows, in characters.
const SENTENCE: usize = 200;

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
    source: Option<Source>,
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
    /// A stream ended before its end.
    Interrupted,
}

/// What a call did.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) replay: Replay,
    pub(crate) history: History,
    pub(crate) stop: Option<StopReason>,
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
        Self(Box::new(Inner { kind, said: None, record: None, answer: None, source: None }))
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

    pub(crate) fn no_key() -> Self {
        Self::settings(
            "no API key: set BL_API_KEY, name one with api_key(..), log in with the platform's CLI \
             (~/.blaxel/config.yaml), or start a local host",
        )
    }

    pub(crate) fn no_workspace() -> Self {
        Self::settings("no workspace: set BL_WORKSPACE, name one with workspace(..), or start a local host")
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
        error.0.said = sentence(&answer.body);
        error.0.record = Some(record);
        error.0.answer = Some(answer.preview());
        error
    }

    /// Adds the answer whose body broke.
    pub(crate) fn with_answer(mut self, answer: Answered) -> Self {
        self.0.answer = Some(answer.preview());
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
    pub(crate) fn of_stream(received: u64, expected: Option<u64>, record: Record, broken: Broken) -> Self {
        let of = expected.map(|all| format!(" of {all}")).unwrap_or_default();
        let why = phrase(broken.fault.kind);
        let mut error =
            Self::of_broken_stream(&format!("the body ended after {received}{of} bytes: {why}"), record);
        error.0.source = broken.source;
        error
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

    /// The first 4 KiB of the last answer's body, where there was one.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.0.answer.as_ref().map(|answer| &answer.body)
    }

    /// The sentence in which the server explained itself, or the one in which this crate does.
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
        if record.replay == Replay::Read {
            return false;
        }
        if matches!(self.0.kind, ErrorKind::Interrupted | ErrorKind::Decode) {
            return true;
        }
        let ambiguous = |attempt: &Attempt| match (attempt.dispatch, attempt.seen) {
            (Dispatch::NotDispatched(_), _) => false,
            (Dispatch::Unknown, _) | (_, Seen::Fault(_)) => true,
            (Dispatch::Answered, _) => record.stop.is_some(),
        };
        record.history.iter().any(ambiguous)
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
        self.headers().and_then(retry_after)
    }

    /// The id under which the server knows the last request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.headers().and_then(|headers| headers.get(header::REQUEST_ID)).and_then(|id| id.to_str().ok())
    }

    /// The fault of the last attempt, where it was one.
    pub(crate) fn last_fault(&self) -> Option<Fault> {
        match self.last()? {
            Attempt { seen: Seen::Fault(kind), dispatch, .. } => {
                Some(Fault { kind: *kind, dispatch: *dispatch })
            }
            _ => None,
        }
    }

    fn last(&self) -> Option<&Attempt> {
        self.history().and_then(History::last)
    }
}

/// The sentence of an error body, of either shape, in one bounded line.
fn sentence(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<GatewayErrorBody>(body) {
        Ok(gateway) => gateway.error.message,
        Err(_) => {
            let ErrorBody { error, message, .. } = serde_json::from_slice(body).ok()?;
            message.unwrap_or(error)
        }
    };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SENTENCE).collect();
    (!line.trim().is_empty()).then_some(line)
}

/// A duration as people say it: `682 ms`, `5.4 s`, `3 min`.
pub(crate) fn human(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms @ 1000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min", ms / 60_000),
    }
}

fn phrase(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Resolve => "the host's name was not resolved",
        FaultKind::Refused => "connection refused",
        FaultKind::Unreachable => "no way to the host",
        FaultKind::ConnectTimeout => "no connection in time",
        FaultKind::Handshake => "the connection broke in the TLS handshake",
        FaultKind::TlsVerdict => "TLS does not trust the other side",
        FaultKind::Proxy => "the forward proxy refused",
        FaultKind::Reset => "connection reset",
        FaultKind::Closed => "connection closed before the answer",
        FaultKind::BodyCut => "the answer's body was cut",
        FaultKind::Garbled => "the answer is no HTTP",
        FaultKind::ReadTimeout => "no byte came for too long",
        FaultKind::AttemptTimeout => "the attempt took too long",
        FaultKind::Deadline => "out of time",
        FaultKind::GoAway => "the server is going away",
        FaultKind::RefusedStream => "the server refused the stream",
        FaultKind::StreamReset => "the server reset the stream",
        FaultKind::Canceled => "the connection closed before the request was sent",
        FaultKind::Unsendable => "the request cannot be sent",
        FaultKind::RequestBody => "the body of the request could not be read",
        FaultKind::TooLarge => "the answer is too large to be held in memory; stream it",
        FaultKind::Local => "this machine cannot make the connection",
        _ => kind.as_str(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.0.said.as_deref();
        let (Some(record), Some(last)) = (&self.0.record, self.last()) else {
            return match (said, &self.0.source) {
                (Some(said), _) => f.write_str(said),
                (None, Some(source)) => source.fmt(f),
                (None, None) => match self.stop_reason() {
                    Some(stop) => write!(f, "the call was not made: {stop}"),
                    None => f.write_str("the call was not made"),
                },
            };
        };
        write!(f, "{} {}: ", record.method, record.path)?;
        match (last.seen, self.0.kind) {
            (_, ErrorKind::Interrupted) => f.write_str(said.unwrap_or_default())?,
            (Seen::Status(status), ErrorKind::Decode) => {
                write!(f, "{} with a body that is not what the protocol says", status.as_u16())?;
            }
            (Seen::Status(status), _) => write!(f, "{}", status.as_u16())?,
            (Seen::Fault(kind), _) => f.write_str(phrase(kind))?,
            _ => last.seen.fmt(f)?,
        }
        let history = &record.history;
        if history.len() > 1 {
            write!(f, " after {} attempts in {} ({history})", history.len(), human(history.elapsed()))?;
        }
        if let Some(said) = said
            && record.stop.is_none()
            && self.0.kind != ErrorKind::Interrupted
        {
            write!(f, ": {said}")?;
        }
        if self.may_have_run() {
            f.write_str("; it may have run")?;
        } else if let Dispatch::NotDispatched(proof) = last.dispatch
            && record.replay != Replay::Read
        {
            write!(f, "; it was not sent{}", if proof == Proof::Gateway { " on" } else { "" })?;
        }
        match record.stop {
            None | Some(StopReason::Permanent) => Ok(()),
            Some(StopReason::NotReplayable) => f.write_str("; not retried"),
            Some(stop) => write!(f, "; stopped: {stop}"),
        }
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

    #[test]
    fn durations_are_said_as_people_do() {
        let said = |ms| human(Duration::from_millis(ms));
        assert_eq!([said(682), said(5_449), said(180_000)], ["682 ms", "5.4 s", "3 min"]);
    }

    #[test]
    fn a_servers_sentence_is_one_bounded_line() {
        assert_eq!(sentence(br#"{"error":"no\nsuch drive"}"#).as_deref(), Some("no such drive"));
        assert_eq!(sentence(br#"{"error":"CODE","code":409,"message":"there"}"#).as_deref(), Some("there"));
        assert_eq!(sentence(br#"{"error":{"code":"X","message":"gone"}}"#).as_deref(), Some("gone"));
        assert_eq!(sentence(b"<html>"), None);
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(9000));
        assert_eq!(sentence(long.as_bytes()).map(|s| s.len()), Some(SENTENCE));
    }
}
