//! Scenarios that somebody writes for a client of their own, and what they expect of it.

use std::fmt;

use reveille_faults::{Arrival, Script};
use serde::{Deserialize, Serialize};

use crate::client::{Ended, How};
use crate::error::Error;
use crate::report::Verdict;
use crate::scenario::{Operation, Scenario};
use crate::seen::Run;

/// A scenario of one's own: what the server does, in the words of `reveille faults`, and what is expected.
///
/// ```
/// use reveille_grade::Own;
///
/// let own = Own::from_json(r#"{
///     "name": "a slow page after two refusals",
///     "operation": "fetch",
///     "script": {"steps": [{"status": 503, "times": 2}, {"status": 200, "body": "{}"}], "repeat": "last"},
///     "expect": {"ends": "success", "sends": [3, 3]}
/// }"#)?;
/// assert_eq!(own.name(), "a slow page after two refusals");
/// assert!(Own::from_json("{}").is_err());
/// # Ok::<(), reveille_grade::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Own {
    name: String,
    operation: Operation,
    script: Script,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    operation: Operation,
    script: serde_json::Value,
    expect: Expect,
}

/// What is expected of a client. What is not said is not judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    ends: Option<Ends>,
    /// How often the operation itself is sent: at the least, at the most.
    #[serde(default)]
    sends: Option<(usize, usize)>,
    /// How often anything is sent to the sandbox.
    #[serde(default)]
    requests: Option<(usize, usize)>,
    /// What stands in its error.
    #[serde(default)]
    says: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ends {
    Success,
    Failure,
}

/// What became of a scenario of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnFinding {
    /// Its name.
    pub name: String,
    /// What the command was asked to do.
    pub operation: Operation,
    /// Whether everything was as expected.
    pub verdict: Verdict,
    /// What was not, in a few words each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
    /// How often the operation itself was sent.
    pub sends: usize,
    /// How often anything was sent to the sandbox.
    pub requests: usize,
    /// The last line of what the command said of its error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
}

impl Own {
    /// The scenario that a file describes.
    ///
    /// # Errors
    /// When it describes none, with the place and the reason.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let wrong = |reason: &dyn fmt::Display| Error::Scenario(reason.to_string());
        let Written { name, operation, script, expect } =
            serde_json::from_str(text).map_err(|error| wrong(&error))?;
        let script = Script::from_json(&script.to_string()).map_err(|error| wrong(&error))?;
        for bounds in [expect.sends, expect.requests].into_iter().flatten() {
            if bounds.0 > bounds.1 {
                return Err(Error::Scenario(format!("[{}, {}]: the least is the first", bounds.0, bounds.1)));
            }
        }
        if expect.ends.is_none()
            && expect.sends.is_none()
            && expect.requests.is_none()
            && expect.says.is_none()
        {
            return Err(Error::Scenario(
                "expect: nothing is expected: ends, sends, requests or says".to_owned(),
            ));
        }
        Ok(Self { name, operation, script, expect })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn operation(&self) -> Operation {
        self.operation
    }

    pub(crate) fn script(&self) -> Script {
        self.script.clone()
    }

    pub(crate) fn judge(&self, ended: Ended, arrivals: Vec<Arrival>) -> OwnFinding {
        let run = Run::new(self.operation, Scenario::Plain, ended, arrivals);
        let (sends, requests) = (run.sends().count(), run.arrivals.len());
        let mut missed = Vec::new();
        let how = run.ended.how;
        let is_expected = match self.expect.ends {
            Some(Ends::Success) => how == How::Success,
            Some(Ends::Failure) => how == How::Failure,
            None => how != How::TooLate,
        };
        if !is_expected {
            missed.push(match how {
                How::Success => "it ended as after a success".to_owned(),
                How::Failure => "it failed".to_owned(),
                How::TooLate => "it did not end".to_owned(),
            });
        }
        let mut within = |what: &str, counted: usize, bounds: Option<(usize, usize)>| {
            if let Some((least, most)) = bounds
                && !(least..=most).contains(&counted)
            {
                missed.push(format!("{what}: {counted}, and not {least} to {most}"));
            }
        };
        within("sends", sends, self.expect.sends);
        within("requests", requests, self.expect.requests);
        if let Some(words) = &self.expect.says
            && !run.ended.error.contains(words)
        {
            missed.push(format!("its error does not say {words:?}"));
        }
        OwnFinding {
            name: self.name.clone(),
            operation: self.operation,
            verdict: if missed.is_empty() { Verdict::Kept } else { Verdict::Broken },
            missed,
            sends,
            requests,
            said: if how == How::Success { String::new() } else { run.last_words() },
        }
    }
}
