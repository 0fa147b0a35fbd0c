//! A real sandbox, which really sleeps.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::client::{Ended, How};
use crate::report::{Finding, Verdict};
use crate::rule::Rule;
use crate::scenario::Operation;
use crate::seen::last_words;

/// A real sandbox called `box` in the workspace `acme`, with a drive and an app on port 3000, behind a gateway that
/// refuses while it wakes and knows the key `grade`.
pub trait Sleeper: fmt::Debug + Send + Sync {
    /// Puts it to standby, where it stays until somebody asks. What arrives counts from here on. Gives the base of its
    /// platform's URLs; else why it does not sleep.
    fn nap(&self) -> BoxFuture<'_, Result<String, String>>;

    /// What has arrived at its gateway since.
    fn arrived(&self) -> Arrivals;
}

/// What arrived at the gateway of a real sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// What is known of it, in its order.
    pub requests: Vec<Arrived>,
    /// How much of what happened is not known, as more came than could be counted. Then no rule counts as kept.
    pub missed: u64,
}

/// A request that arrived at the gateway of a real sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its method.
    pub method: String,
    /// Its path below the sandbox.
    pub path: String,
    /// Whether it was handed on to the sandbox.
    pub is_inside: bool,
}

/// The rule that is seen in an operation on a sandbox that sleeps.
pub(crate) fn rule(operation: Operation) -> Rule {
    if operation.is_read() { Rule::R1 } else { Rule::M5 }
}

pub(crate) fn judge(operation: Operation, ended: &Ended, arrived: &Arrivals) -> Finding {
    let (method, path) = operation.known_by();
    let of_it = |it: &&Arrived| it.method == method && it.path.starts_with(path);
    let sends = arrived.requests.iter().filter(of_it).count();
    let inside = arrived.requests.iter().filter(of_it).filter(|it| it.is_inside).count();
    // A mutation that was refused was sent all the same.
    let is_once = inside == 1 && (operation.is_read() || sends == 1);
    let is_kept = ended.how == How::Success && is_once && arrived.missed == 0;
    let end = match ended.how {
        How::Success => "success",
        How::Failure => "an error",
        How::TooLate => "no end",
    };
    let took = ended.took.as_secs_f64();
    let more = if arrived.missed == 0 { "" } else { " at least" };
    let times = |count| if count == 1 { "once".to_owned() } else { format!("{count} times") };
    Finding {
        rule: rule(operation),
        operation,
        scenario: "a real sandbox that sleeps".to_owned(),
        verdict: if is_kept { Verdict::Kept } else { Verdict::Broken },
        sends,
        requests: arrived.requests.len(),
        seen: format!("sent{more} {}, inside{more} {}, {end} after {took:.1} s", times(sends), times(inside)),
        said: if ended.how == How::Success { String::new() } else { last_words(&ended.error) },
    }
}
