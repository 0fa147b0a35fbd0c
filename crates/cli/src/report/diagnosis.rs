//! What is said of a call that failed: what happened, what was seen, what to do next.

use reveille::{AnsweredBy, Error, ErrorKind, FaultKind, History, Seen, Site, StopReason};

use super::Exit;
use super::Failure;
use super::facts::{seen, words};
use super::{Facts, Request, duration, times};

/// What was asked of whom.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The sandbox as it was typed; empty where it is the platform itself.
    sandbox: String,
    pub(crate) request: Request,
    place: Place,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Platform,
    LocalHost,
}

impl Asked {
    pub(crate) fn new(sandbox: impl Into<String>, request: Request, place: Place) -> Self {
        Self { sandbox: sandbox.into(), request, place }
    }

    /// Makes a failure of an error.
    pub(crate) fn failed(&self, error: &Error) -> Failure {
        let facts = Facts::of_error(error);
        let failure = match error.kind() {
            ErrorKind::Input if error.attempts() == 0 => return Failure::usage(error.to_string()),
            _ if error.may_have_run() => self.ambiguous(error.history()),
            ErrorKind::Unavailable => self.unavailable(error.history(), error.stop_reason()),
            _ => match self.advice(error) {
                Some(next) => Failure::new(error.to_string()).next(next),
                None => Failure::new(error.to_string()),
            },
        };
        failure.knowing(facts)
    }

    /// A mutation after which nobody knows whether it ran.
    pub(crate) fn ambiguous(&self, history: Option<&History>) -> Failure {
        let saw = history.and_then(History::last).map_or_else(
            || "no answer".into(),
            |last| match last.seen {
                Seen::Fault(FaultKind::Reset) => "connection reset after the request was sent".into(),
                Seen::Fault(FaultKind::Closed) => "connection closed after the request was sent".into(),
                other => words(other),
            },
        );
        Failure::new(format!("{}: {saw}", self.request))
            .mind("it may have run; it was not repeated")
            .next("check on the other side, then send it again")
    }

    /// A sandbox that did not come back while it was waited for.
    pub(crate) fn unavailable(&self, history: Option<&History>, stopped: Option<StopReason>) -> Failure {
        let failure = match history {
            Some(history) if !history.is_empty() => self.stayed_away(history),
            _ => Failure::new(format!("{} stayed unavailable", self.whom())),
        };
        let next = match (stopped, self.place) {
            _ if self.host_is_down(history) => "start it: reveille host".to_owned(),
            (Some(StopReason::RetriesOff), _) => "let reads be sent again: --retries 5".to_owned(),
            (Some(StopReason::NotReplayable), _) => {
                "it did not run: send it again once the sandbox is awake".to_owned()
            }
            (Some(StopReason::ServerDelayTooLong(wait)), _) => {
                format!("the server asks to wait {}; try again then", duration(wait))
            }
            _ if self.is_name() => {
                format!("wait longer with --deadline 60s, or look at it: reveille get {}", self.sandbox)
            }
            _ => "wait longer with --deadline 60s".to_owned(),
        };
        failure.next(next).exiting(Exit::Unavailable)
    }

    fn stayed_away(&self, history: &History) -> Failure {
        let mut all = history.iter().map(|attempt| attempt.seen);
        let last = history.last().map_or_else(Default::default, |last| words(last.seen));
        let same = all.next().is_some_and(|first| all.all(|other| other == first));
        let elapsed = duration(history.elapsed());
        let whom = self.whom();
        let is_down = self.host_is_down(Some(history));
        let state = if is_down { "does not answer" } else { "stayed unavailable" };
        match history.len() {
            1 => Failure::new(format!("{whom} {state}: {last}")),
            count if same => Failure::new(format!("{whom} {state}: {last} {} in {elapsed}", times(count))),
            count => {
                Failure::new(format!("{whom} {state}: {last} at the end of {count} attempts in {elapsed}"))
                    .saw(seen(history))
            }
        }
    }

    fn whom(&self) -> String {
        match (self.sandbox.as_str(), self.place) {
            ("", Place::LocalHost) => "the local host".to_owned(),
            ("", Place::Platform) => "the platform".to_owned(),
            (url, _) if url.contains("://") => url.to_owned(),
            (name, _) => format!("sandbox \"{name}\""),
        }
    }

    fn is_name(&self) -> bool {
        !self.sandbox.is_empty() && !self.sandbox.contains("://")
    }

    /// Whether nobody listens where the local host said that it does.
    fn host_is_down(&self, history: Option<&History>) -> bool {
        let refused =
            |history: &History| history.iter().all(|attempt| attempt.seen == Seen::Fault(FaultKind::Refused));
        self.place == Place::LocalHost && !self.sandbox.contains("://") && history.is_some_and(refused)
    }

    fn advice(&self, error: &Error) -> Option<String> {
        let advice = match (error.kind(), error.status().map(|status| status.as_u16())) {
            (ErrorKind::Settings, _) => {
                "run sandboxes here: reveille host; or set BL_API_KEY and BL_WORKSPACE"
            }
            (ErrorKind::Denied, Some(403)) => {
                "this key is for another workspace: see --workspace and BL_WORKSPACE"
            }
            (ErrorKind::Denied, _) => "check BL_API_KEY, or unset it to use the local host that is running",
            (ErrorKind::NotFound, _) if self.is_name() && is_of_the_platform(error) => {
                "see what there is: reveille list"
            }
            (ErrorKind::Conflict, _) if self.is_name() => {
                return Some(format!("look at it: reveille get {}", self.sandbox));
            }
            (ErrorKind::Transport, _) => "see what the other end is: curl -v, or --host",
            (ErrorKind::Decode, _) => "stream a large answer with -o FILE or --no-buffer",
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

/// Whether an answer is about the sandbox itself, and not of something inside it.
fn is_of_the_platform(error: &Error) -> bool {
    error.site() == Some(Site::ControlPlane) || error.answered_by() == Some(AnsweredBy::Platform)
}
