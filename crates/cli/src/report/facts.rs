use reveille::{AnsweredBy, Attempt, Dispatch, FaultKind, History, Seen, StopReason};
use serde::Serialize;

use super::human;

/// A request, as it is named in a line of its history.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The path below the sandbox.
    pub(crate) path: String,
}

impl Request {
    pub(crate) fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self { method: method.into(), path: path.into() }
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What is known of a call, for `--json`: it stands under the key `reveille`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    /// Every attempt, in order.
    attempts: Vec<Tried>,
    /// From the start of the call to the end of its last attempt.
    elapsed_ms: f64,
    /// Whether the last request can have been carried out: `answered`, `unknown`, `not dispatched`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatch: Option<&'static str>,
    /// Whether something may have been changed without a usable answer; on errors only.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_have_run: Option<bool>,
    /// Why nothing more was sent, where something could have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    /// Who made the last answer: `platform`, `agent`, `app`.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<&'static str>,
    /// The code under which the platform files it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The id under which the server knows the last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tried {
    saw: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    dispatch: &'static str,
    began_ms: f64,
    took_ms: f64,
    wait_ms: f64,
    /// How long the word of the sandbox was waited for before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_for_probe_ms: Option<f64>,
}

impl Facts {
    pub(crate) fn new(history: &History) -> Self {
        Self {
            attempts: history.iter().map(Tried::new).collect(),
            elapsed_ms: milliseconds(history.elapsed()),
            dispatch: history.last().map(|last| in_a_word(last.dispatch)),
            ..Self::default()
        }
    }

    /// The same of attempts that are no history any more.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_attempts(attempts: &[Attempt]) -> Self {
        Self {
            attempts: attempts.iter().map(Tried::new).collect(),
            elapsed_ms: attempts.last().map_or(0.0, |last| milliseconds(last.began + last.took)),
            dispatch: attempts.last().map(|last| in_a_word(last.dispatch)),
            ..Self::default()
        }
    }

    pub(crate) fn of_error(error: &reveille::Error) -> Self {
        Self {
            may_have_run: Some(error.may_have_run()),
            stopped: error.stop_reason().map(|reason| reason.to_string()),
            answered_by: error.answered_by().and_then(by),
            code: error.code().map(str::to_owned),
            request_id: error.request_id().map(str::to_owned),
            ..error.history().map(Self::new).unwrap_or_default()
        }
    }

    pub(crate) fn stopped(self, reason: Option<StopReason>) -> Self {
        Self { stopped: reason.map(|reason| reason.to_string()), ..self }
    }
}

impl Tried {
    fn new(attempt: &Attempt) -> Self {
        Self {
            saw: words(attempt.seen).into_owned(),
            status: match attempt.seen {
                Seen::Status(status) => Some(status.as_u16()),
                _ => None,
            },
            dispatch: in_a_word(attempt.dispatch),
            began_ms: milliseconds(attempt.began),
            took_ms: milliseconds(attempt.took),
            wait_ms: milliseconds(attempt.wait),
            waited_for_probe_ms: (!attempt.waited_for_probe.is_zero())
                .then(|| milliseconds(attempt.waited_for_probe)),
        }
    }
}

/// To the tenth of a millisecond.
fn milliseconds(span: std::time::Duration) -> f64 {
    (span.as_secs_f64() * 10_000.0).round() / 10.0
}

fn by(who: AnsweredBy) -> Option<&'static str> {
    match who {
        AnsweredBy::Platform => Some("platform"),
        AnsweredBy::Agent => Some("agent"),
        AnsweredBy::App => Some("app"),
        _ => None,
    }
}

fn in_a_word(dispatch: Dispatch) -> &'static str {
    match dispatch {
        Dispatch::NotDispatched(_) => "not dispatched",
        Dispatch::Unknown => "unknown",
        Dispatch::Answered => "answered",
    }
}

/// What an attempt saw, as a person would say it.
pub(crate) fn words(seen: Seen) -> std::borrow::Cow<'static, str> {
    match seen {
        Seen::Fault(FaultKind::Reset) => "connection reset".into(),
        Seen::Fault(FaultKind::Refused) => "connection refused".into(),
        Seen::Fault(FaultKind::Closed) => "connection closed".into(),
        Seen::Fault(FaultKind::BodyCut) => "the body was cut".into(),
        Seen::Fault(FaultKind::Garbled) => "an answer that is no HTTP".into(),
        Seen::Fault(FaultKind::ReadTimeout) => "no byte for too long".into(),
        Seen::Fault(FaultKind::AttemptTimeout) => "no answer in time".into(),
        Seen::Fault(FaultKind::Deadline) => "out of time".into(),
        other => other.to_string().into(),
    }
}

/// How many attempts a line shows at the most; the middle of a longer history is left out.
const SHOWN: usize = 12;

/// Every attempt with the moment at which it ended, and every wait, on one line.
pub(crate) fn in_one_line(history: &History) -> String {
    let attempts: Vec<&Attempt> = history.iter().collect();
    let left_out = attempts.len().saturating_sub(SHOWN);
    let head = if left_out == 0 { attempts.len() } else { SHOWN / 2 };
    let tail = if left_out == 0 { 0 } else { SHOWN - SHOWN / 2 };
    let mut parts: Vec<String> = attempts[..head].iter().map(|attempt| step(attempt)).collect();
    if left_out > 0 {
        parts.push(format!("{} more", history.len() - SHOWN));
        parts.extend(attempts[attempts.len() - tail..].iter().map(|attempt| step(attempt)));
    }
    parts.join(" · ")
}

fn step(attempt: &Attempt) -> String {
    let ended = human::duration(attempt.began + attempt.took);
    let seen = words(attempt.seen);
    let probe = match attempt.waited_for_probe {
        std::time::Duration::ZERO => String::new(),
        waited => format!("waited {} for the probe · ", human::duration(waited)),
    };
    match attempt.wait {
        std::time::Duration::ZERO => format!("{probe}{seen} ({ended})"),
        wait => format!("{probe}{seen} ({ended}) · wait {}", human::duration(wait)),
    }
}

/// What each attempt saw, without times.
pub(crate) fn seen(history: &History) -> String {
    let words: Vec<_> = history.iter().map(|attempt| words(attempt.seen)).collect();
    match words.len().checked_sub(SHOWN) {
        None | Some(0) => words.join(", "),
        Some(_) => {
            let (head, tail) = (&words[..SHOWN / 2], &words[words.len() - SHOWN / 2..]);
            format!("{}, {} more, {}", head.join(", "), history.len() - SHOWN, tail.join(", "))
        }
    }
}
