use std::fmt;
use std::time::Duration;

use reveille_faults::{End, Moment, Script, Step, Steps};
use serde::{Deserialize, Serialize};

use crate::answers::{CONTROL, SANDBOX, good, not_dispatched, record, refusal, unavailable};

/// What a command is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Lists the drives of the sandbox: a read by the typed API.
    List,
    /// A GET of a page of an app.
    Fetch,
    /// Runs a command and waits for its end: a mutation.
    Exec,
    /// A POST to an app.
    Post,
    /// A PUT to an app: a mutation whose method HTTP calls idempotent.
    Put,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::List, Self::Fetch, Self::Exec, Self::Post, Self::Put];

    /// Its name, as the command finds it in its environment.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Fetch => "fetch",
            Self::Exec => "exec",
            Self::Post => "post",
            Self::Put => "put",
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, Self::List | Self::Fetch)
    }

    /// The method and the path below the sandbox by which it is known among what arrives.
    pub(crate) fn known_by(self) -> (&'static str, &'static str) {
        match self {
            Self::List => ("GET", "/drives/mount"),
            Self::Fetch => ("GET", "/port/3000"),
            Self::Exec => ("POST", "/process"),
            Self::Post => ("POST", "/port/3000"),
            Self::Put => ("PUT", "/port/3000"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a command meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// Nothing is wrong.
    Plain,
    /// A status, twice, and then the answer.
    Status(u16),
    /// A status for so many milliseconds, and then the answer.
    Window(u64),
    /// 503 that names a time of one second, once.
    RetryAfter,
    /// The connection is reset when it has the request, once.
    Reset,
    /// The connection is closed when it has the request, once.
    Close,
    /// The head of the answer breaks off, once.
    CutHead,
    /// The body of the answer breaks off, always.
    CutBody,
    /// The platform's own 404, twice.
    Unavailable,
    /// The same with the proof, once.
    NotDispatched,
    /// A status, and never anything else.
    Always(u16),
}

impl Scenario {
    /// What the server does. What is wrong is wrong for the whole sandbox; of what is to be seen in a mutation itself,
    /// a read before it meets nothing.
    pub(crate) fn script(self, operation: Operation) -> Script {
        let is_for_all = matches!(self, Self::Window(_) | Self::Always(_));
        let route = |steps: Steps| {
            let script = Script::new().on("GET", &format!("{CONTROL}/sandboxes"), record());
            let script = match operation {
                Operation::Exec | Operation::Post | Operation::Put if !is_for_all => {
                    script.on("GET", SANDBOX, good())
                }
                _ => script,
            };
            script.on("*", SANDBOX, steps).then(record())
        };
        let first = |step: Step| route(Steps::new().step(step).then(good()));
        match self {
            Self::Plain => route(Steps::new().then(good())),
            Self::Status(status) => first(refusal(status).times(2)),
            Self::Window(millis) => first(refusal(503).lasting(Duration::from_millis(millis))),
            Self::RetryAfter => first(refusal(503).header("retry-after", "1").into()),
            Self::Reset => first(Step::reset(Moment::AfterRequest)),
            Self::Close => first(Step::close(Moment::AfterRequest)),
            Self::CutHead => first(good().cut_head(20, End::Close).into()),
            Self::CutBody => route(Steps::new().then(good().cut_body(0, End::Close))),
            Self::Unavailable => first(unavailable().times(2)),
            Self::NotDispatched => first(not_dispatched().into()),
            Self::Always(status) => route(Steps::new().then(refusal(status))),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("nothing wrong"),
            Self::Status(status) => write!(f, "{status} twice"),
            Self::Window(millis) => write!(f, "503 for {} s", *millis as f64 / 1e3),
            Self::RetryAfter => f.write_str("503 with Retry-After: 1"),
            Self::Reset => f.write_str("a reset after the request"),
            Self::Close => f.write_str("a close after the request"),
            Self::CutHead => f.write_str("a head that breaks off"),
            Self::CutBody => f.write_str("bodies that break off"),
            Self::Unavailable => f.write_str("the platform's 404 twice"),
            Self::NotDispatched => f.write_str("the platform's 404 with proof"),
            Self::Always(status) => write!(f, "{status} always"),
        }
    }
}
