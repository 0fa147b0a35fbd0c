//! Errors as a person reads them: one line that says what happened, what was tried, and what that means.

use std::fmt;
use std::time::Duration;

use reveille_retry::{Attempt, Dispatch, FaultKind, Proof, Replay, Seen, StopReason};
use reveille_wire::{ErrorBody, GatewayErrorBody};

use super::{Error, ErrorKind};
use crate::record::{Record, Step};

/// How much of a server's sentence an error shows, in characters.
const SENTENCE: usize = 200;

/// The sentence of an error body, of either shape, in one bounded line.
pub(crate) fn explanation(body: &[u8]) -> Option<String> {
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
fn human(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms @ 1000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min", ms / 60_000),
    }
}

pub(super) fn phrase(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Resolve => "the host's name was not resolved",
        FaultKind::Refused => "connection refused",
        FaultKind::Unreachable => "no way to the host",
        FaultKind::ConnectTimeout => "no connection in time",
        FaultKind::PoolTimeout => "no connection was free in time",
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
        let Some(record) = &self.0.record else { return self.fmt_unmade(f) };
        write!(f, "{} {}: ", record.method, record.path)?;
        match (self.last(), record.ended) {
            (Some(last), Step::Attempt) => self.fmt_attempt(f, last)?,
            _ => self.fmt_unmade(f)?,
        }
        let history = &record.history;
        if history.len() > 1 || (record.ended == Step::Preparation && !history.is_empty()) {
            let times = if history.len() == 1 { "attempt" } else { "attempts" };
            write!(f, " after {} {times} in {} ({history})", history.len(), human(history.elapsed()))?;
        } else if record.stop.is_some() && !history.waited_for_probe().is_zero() {
            // To an answer that came at once, what was waited before it is nothing.
            write!(f, " ({history})")?;
        }
        if let Some(said) = &self.0.said
            && self.0.kind != ErrorKind::Interrupted
            && record.ended == Step::Attempt
        {
            write!(f, ": {said}")?;
        }
        self.fmt_consequence(f, record)
    }
}

impl Error {
    /// Why nothing was sent, or nothing more.
    fn fmt_unmade(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.said, &self.0.source, self.stop_reason()) {
            (Some(said), _, _) => f.write_str(said),
            (None, Some(source), _) => write!(f, "{source}"),
            (None, None, Some(StopReason::NoWord)) => {
                f.write_str("the sandbox did not wake in time")?;
                match self.probe_saw() {
                    Some(Seen::Fault(kind)) => write!(f, ": {}", phrase(kind)),
                    Some(seen) => write!(f, ": {seen}"),
                    None => Ok(()),
                }
            }
            (None, None, Some(stop)) => write!(f, "the call was not made: {stop}"),
            (None, None, None) => f.write_str("the call was not made"),
        }
    }

    fn fmt_attempt(&self, f: &mut fmt::Formatter<'_>, last: &Attempt) -> fmt::Result {
        match (last.seen, self.0.kind) {
            (_, ErrorKind::Interrupted) => f.write_str(self.explanation().unwrap_or_default()),
            (Seen::Status(status), ErrorKind::Decode) => {
                write!(f, "{} with a body that is not what the protocol says", status.as_u16())
            }
            // The body of a success said that it was none; its words follow.
            (Seen::Status(status), ErrorKind::Rejected) if status.is_success() => {
                f.write_str("it did not work")
            }
            (Seen::Status(status), _) => write!(f, "{}", status.as_u16()),
            (Seen::Fault(kind), _) => f.write_str(phrase(kind)),
            _ => write!(f, "{}", last.seen),
        }
    }

    /// What it means for the request, and why it was not sent again.
    fn fmt_consequence(&self, f: &mut fmt::Formatter<'_>, record: &Record) -> fmt::Result {
        let dispatch = self.last().map(|last| last.dispatch);
        if self.may_have_run() {
            f.write_str("; it may have run")?;
        } else if record.replay != Replay::Read {
            match dispatch {
                Some(Dispatch::NotDispatched(Proof::Gateway)) => f.write_str("; it was not sent on")?,
                Some(Dispatch::NotDispatched(_)) => f.write_str("; it was not sent")?,
                None => f.write_str("; it was not sent")?,
                Some(_) => {}
            }
        }
        match record.stop {
            None | Some(StopReason::Permanent) => Ok(()),
            Some(StopReason::NotReplayable) => f.write_str("; not retried"),
            Some(_) if dispatch.is_none() => Ok(()),
            Some(stop) => write!(f, "; stopped: {stop}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_do() {
        let said = |ms| human(Duration::from_millis(ms));
        assert_eq!([said(682), said(5_449), said(180_000)], ["682 ms", "5.4 s", "3 min"]);
    }

    #[test]
    fn a_servers_sentence_is_one_bounded_line() {
        assert_eq!(explanation(br#"{"error":"no\nsuch drive"}"#).as_deref(), Some("no such drive"));
        assert_eq!(
            explanation(br#"{"error":"CODE","code":409,"message":"there"}"#).as_deref(),
            Some("there")
        );
        let not_made = br#"{"code":"INVALID_IMAGE","message":"no such image","status_code":400}"#;
        assert_eq!(explanation(not_made).as_deref(), Some("no such image"));
        assert_eq!(explanation(br#"{"novel":1}"#), None);
        assert_eq!(explanation(br#"{"error":{"code":"X","message":"gone"}}"#).as_deref(), Some("gone"));
        assert_eq!(explanation(b"<html>"), None);
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(9000));
        assert_eq!(explanation(long.as_bytes()).map(|s| s.len()), Some(SENTENCE));
    }
}
