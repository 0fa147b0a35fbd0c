//! What is said of a call that failed: what happened, what was seen, what to do next.

use std::error::Error as _;
use std::time::Duration;

use reveille::{AnsweredBy, Error, ErrorKind, FaultKind, History, Seen, Site, StopReason};

use super::facts::{seen, words};
use super::{Exit, Facts, Failure, Request, duration, size, times};

/// The codes with which a host says that nobody takes the connections of a port.
const NOBODY_LISTENS: [&str; 2] = ["PORT_NOT_LISTENING", "PORT_NOT_ACCEPTING"];

/// What was asked of whom.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The sandbox as it was typed; empty where it is the platform itself.
    sandbox: String,
    pub(crate) request: Request,
    place: Place,
    /// What lists the likes of what was asked for, where that is no sandbox.
    lists: Option<&'static str>,
    /// How long all of it may take, where somebody said so.
    deadline: Option<Duration>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Platform,
    LocalHost,
}

/// Why nothing usable came although it was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Nobody listens where the local host said that it does.
    HostIsDown,
    /// The sandbox, or the way to it.
    Sandbox,
    /// Nobody listens on the port inside it.
    Port,
    /// The app behind the port: its answer is one that asks to come again, or it breaks off.
    App,
    /// Whoever has the request keeps it.
    Silence,
}

impl Asked {
    pub(crate) fn new(sandbox: impl Into<String>, request: Request, place: Place) -> Self {
        Self { sandbox: sandbox.into(), request, place, lists: None, deadline: None }
    }

    /// Says which command lists the likes of what was asked for.
    pub(crate) fn listed_by(self, command: &'static str) -> Self {
        Self { lists: Some(command), ..self }
    }

    pub(crate) fn within(self, deadline: Option<Duration>) -> Self {
        Self { deadline, ..self }
    }

    /// Makes a failure of an error.
    pub(crate) fn failed(&self, error: &Error) -> Failure {
        let failure = match error.kind() {
            ErrorKind::Input if error.attempts() == 0 => return Failure::usage(error.to_string()),
            ErrorKind::Interrupted => Failure::new(error.to_string()).advising(self.advice(error)),
            _ if is_unended(error) => self.unended(error),
            _ if error.may_have_run() => self.ambiguous(error),
            ErrorKind::Unavailable if error.stop_reason() == Some(StopReason::NoWord) => self.unsent(error),
            ErrorKind::Unavailable => self.unavailable(error),
            _ => {
                let failure = Failure::new(error.to_string()).advising(self.advice(error));
                refusal(error).into_iter().fold(failure, Failure::saw)
            }
        };
        failure.knowing(Facts::of_error(error))
    }

    /// Makes a failure of an error of a process, and says how to look at it. To run it again is never advised: nobody
    /// knows what of it has been done.
    pub(crate) fn failed_with(&self, error: &Error, process: &str) -> Failure {
        let failure = self.failed(error);
        if error.process().is_some() || error.may_have_run() {
            return failure.next(format!("look at it: reveille logs {} {process}", self.sandbox));
        }
        failure
    }

    /// An answer that was still coming when the time was up.
    fn unended(&self, error: &Error) -> Failure {
        let took = duration(error.history().map_or(Duration::ZERO, History::elapsed));
        let came = size(error.body().map_or(0, |body| body.len() as u64));
        let what = format!("{}: the answer did not end in {took}; {came} of it had come", self.request);
        let failure = Failure::new(what);
        if !error.may_have_run() {
            return failure.next(self.more_time());
        }
        // There is no word for "carried out" in HTTP but the status.
        let status = error.status().map(|status| status.as_u16()).unwrap_or_default();
        failure.mind(format!("it was answered with {status}, and was not repeated")).next(self.more_time())
    }

    /// A mutation after which nobody knows whether it ran.
    fn ambiguous(&self, error: &Error) -> Failure {
        let saw = error.history().and_then(History::last).map_or_else(
            || "no answer".into(),
            |last| match last.seen {
                Seen::Fault(FaultKind::Reset) => "connection reset after the request was sent".into(),
                Seen::Fault(FaultKind::Closed) => "connection closed after the request was sent".into(),
                other => words(other),
            },
        );
        Failure::new(format!("{}: {saw}{}", self.request, explained(error)))
            .mind("it may have run; it was not repeated")
            .next("check on the other side, then send it again")
    }

    /// A mutation that was never sent, as the sandbox did not wake in the time that it had.
    fn unsent(&self, error: &Error) -> Failure {
        let saw = error.probe_saw();
        let is_down = saw == Some(Seen::Fault(FaultKind::Refused)) && self.place == Place::LocalHost;
        let state = if is_down { "does not answer" } else { "did not wake in time" };
        let saw = saw.map(|saw| format!(": {}", words(saw))).unwrap_or_default();
        let next = if is_down { "start it: reveille host -d".to_owned() } else { self.longer() };
        Failure::new(format!("{} {state}{saw}", self.whom()))
            .mind("the request was not sent: nothing ran")
            .next(next)
            .exiting(Exit::Unavailable)
    }

    /// Nothing usable came while it was waited for.
    fn unavailable(&self, error: &Error) -> Failure {
        let obstacle = self.obstacle(error);
        let what = match obstacle {
            Obstacle::HostIsDown => format!("{} does not answer", self.whom()),
            Obstacle::Sandbox => format!("{} stayed unavailable", self.whom()),
            Obstacle::Port | Obstacle::App | Obstacle::Silence => self.request.to_string(),
        };
        let failure = match error.history() {
            Some(history) if obstacle == Obstacle::Silence && history.len() == 1 => {
                Failure::new(format!("{what}: no answer in {}", duration(history.elapsed())))
            }
            Some(history) if !history.is_empty() => told(&what, history, &explained(error)),
            _ => Failure::new(format!("{what}{}", explained(error))),
        };
        failure.next(self.what_next(obstacle, error.stop_reason())).exiting(Exit::Unavailable)
    }

    fn obstacle(&self, error: &Error) -> Obstacle {
        let refused =
            |history: &History| history.iter().all(|attempt| attempt.seen == Seen::Fault(FaultKind::Refused));
        let is_here = self.place == Place::LocalHost && !self.sandbox.contains("://");
        if is_here && error.history().is_some_and(refused) {
            return Obstacle::HostIsDown;
        }
        if error.code().is_some_and(|code| NOBODY_LISTENS.contains(&code)) {
            return Obstacle::Port;
        }
        let silent =
            |kind| matches!(kind, FaultKind::ReadTimeout | FaultKind::AttemptTimeout | FaultKind::Deadline);
        match error.answered_by() {
            Some(AnsweredBy::App) => Obstacle::App,
            None if error.last_fault().is_some_and(|fault| silent(fault.kind)) => Obstacle::Silence,
            _ => Obstacle::Sandbox,
        }
    }

    fn what_next(&self, obstacle: Obstacle, stopped: Option<StopReason>) -> String {
        let longer = self.longer();
        match (obstacle, stopped) {
            (Obstacle::HostIsDown, _) => "start it: reveille host -d".to_owned(),
            (Obstacle::Port, _) if self.is_name() => {
                format!("start what is to listen there: reveille exec -d {} -- CMD", self.sandbox)
            }
            (Obstacle::Port, _) => "start what is to listen there".to_owned(),
            (_, Some(StopReason::RetriesOff)) => "let reads be sent again: --retries 5".to_owned(),
            (_, Some(StopReason::ServerDelayTooLong(wait))) => {
                format!("the server asks to wait {}; try again then", duration(wait))
            }
            (_, Some(StopReason::NotReplayable | StopReason::BodyOnce)) => {
                "it did not run: send it again once the sandbox is awake".to_owned()
            }
            (Obstacle::App, _) if self.place == Place::LocalHost => {
                "it is the app that answers so: look at the app".to_owned()
            }
            (Obstacle::App, _) => format!("look at the app; if the sandbox still wakes, {longer}"),
            (Obstacle::Sandbox, _) if self.is_name() => {
                format!("{longer}, or look at it: reveille get {}", self.sandbox)
            }
            (Obstacle::Sandbox | Obstacle::Silence, _) => longer,
        }
    }

    fn longer(&self) -> String {
        format!("wait longer with {}", self.deadline_beyond())
    }

    fn more_time(&self) -> String {
        format!("--deadline is the time for all of it: give it more with {}", self.deadline_beyond())
    }

    /// What is more than it had.
    fn deadline_beyond(&self) -> &'static str {
        match self.deadline.unwrap_or_default().as_secs() {
            0..30 => "--deadline 60s",
            30..150 => "--deadline 5m",
            _ => "a longer --deadline",
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

    fn advice(&self, error: &Error) -> Option<String> {
        if let Some(command) = self.lists
            && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict)
            && is_of_the_platform(error)
        {
            return Some(format!("see what there is: {command}"));
        }
        let advice = match (error.kind(), error.status().map(|status| status.as_u16())) {
            (ErrorKind::Settings, _) => {
                "run sandboxes here: reveille host -d; or set BL_API_KEY and BL_WORKSPACE"
            }
            (ErrorKind::Denied, Some(403)) if !is_of_the_platform(error) => return None,
            (ErrorKind::Denied, Some(403)) => {
                "this key is for another workspace: see --workspace and BL_WORKSPACE"
            }
            (ErrorKind::Denied, _) if self.sandbox.contains("://") => {
                "a URL that is typed gets the credentials with --auth only; with it, check BL_API_KEY"
            }
            (ErrorKind::Denied, _) => "check BL_API_KEY, or unset it to use the local host that is running",
            (ErrorKind::NotFound, _) if self.is_name() && is_of_the_platform(error) => {
                "see what there is: reveille list"
            }
            (ErrorKind::Conflict, _) if self.is_name() => {
                return Some(format!("look at it: reveille get {}", self.sandbox));
            }
            (ErrorKind::Transport, _) if error.last_fault().is_some_and(|it| it.kind == FaultKind::Proxy) => {
                "see what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name"
            }
            (ErrorKind::Transport, _) => "see what the other end is: curl -v, or --host",
            (ErrorKind::Decode, _) if error.last_fault().is_some_and(|it| it.kind == FaultKind::TooLarge) => {
                "stream it: -o FILE, or --no-buffer"
            }
            (ErrorKind::Interrupted, _) if error.stop_reason() == Some(StopReason::Deadline) => {
                return Some(self.more_time());
            }
            (ErrorKind::Decode, _) => "see whether it is a sandbox platform that answers: --host",
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

/// What was seen, in a line; where it was not always the same, all of it in another.
fn told(what: &str, history: &History, explained: &str) -> Failure {
    let mut all = history.iter().map(|attempt| attempt.seen);
    let last = history.last().map_or_else(Default::default, |last| words(last.seen));
    let same = all.next().is_some_and(|first| all.all(|other| other == first));
    let elapsed = duration(history.elapsed());
    match history.len() {
        1 => Failure::new(format!("{what}: {last}{explained}")),
        count if same => Failure::new(format!("{what}: {last} {} in {elapsed}{explained}", times(count))),
        count => {
            Failure::new(format!("{what}: {last} at the end of {count} attempts in {elapsed}{explained}"))
                .saw(seen(history))
        }
    }
}

/// What whoever answered says of it.
fn explained(error: &Error) -> String {
    error.explanation().map(|sentence| format!(": {sentence}")).unwrap_or_default()
}

/// Why there is no connection, in the words of whoever decided it: a forward proxy, or who looks at certificates.
fn refusal(error: &Error) -> Option<String> {
    let decided = |kind| matches!(kind, FaultKind::Proxy | FaultKind::TlsVerdict);
    error.last_fault().filter(|fault| decided(fault.kind))?;
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.last().map(ToString::to_string)
}

/// Whether the time was up while a good answer was coming.
fn is_unended(error: &Error) -> bool {
    error.last_fault().is_some_and(|fault| fault.kind == FaultKind::Deadline)
        && error.status().is_some_and(|status| status.is_success())
}

/// Whether an answer is about the sandbox itself, and not of something inside it.
fn is_of_the_platform(error: &Error) -> bool {
    error.site() == Some(Site::ControlPlane) || error.answered_by() == Some(AnsweredBy::Platform)
}
