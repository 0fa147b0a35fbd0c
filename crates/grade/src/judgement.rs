//! From what a run brought to the rules that it kept.

use std::time::Duration;

use crate::client::How;
use crate::report::{Finding, Verdict};
use crate::rule::Rule;
use crate::scenario::{Operation, Scenario};
use crate::seen::Run;

/// The window that a client has to survive, in milliseconds.
pub(crate) const WINDOW: u64 = 4_000;
/// A shorter one, in which it is seen how late a client is.
pub(crate) const SHORT_WINDOW: u64 = 1_000;
/// How late it may be.
const LATE: Duration = Duration::from_millis(2_500);
/// How often it may ask.
const SENDS: usize = 20;
/// What `Retry-After: 1` names, less what a clock may be off.
const NAMED: Duration = Duration::from_millis(990);

/// Every run that there is: an operation, what it meets, and the rules that are seen in it.
pub(crate) const RUNS: &[(Operation, Scenario, &[Rule])] = &[
    (Operation::List, Scenario::Status(503), &[Rule::R1]),
    (Operation::Fetch, Scenario::Status(425), &[Rule::R1]),
    (Operation::Fetch, Scenario::Status(429), &[Rule::R1]),
    (Operation::Fetch, Scenario::Status(502), &[Rule::R1]),
    (Operation::Fetch, Scenario::Status(503), &[Rule::R1]),
    (Operation::Fetch, Scenario::Status(504), &[Rule::R1]),
    (Operation::List, Scenario::Reset, &[Rule::R2]),
    (Operation::Fetch, Scenario::Reset, &[Rule::R2]),
    (Operation::Fetch, Scenario::Close, &[Rule::R2]),
    (Operation::Fetch, Scenario::CutHead, &[Rule::R2]),
    (Operation::List, Scenario::Unavailable, &[Rule::R3]),
    (Operation::List, Scenario::Window(WINDOW), &[Rule::R4, Rule::R7]),
    (Operation::Fetch, Scenario::Window(WINDOW), &[Rule::R4, Rule::R7]),
    (Operation::Fetch, Scenario::Window(SHORT_WINDOW), &[Rule::R5]),
    (Operation::List, Scenario::RetryAfter, &[Rule::R6]),
    (Operation::Fetch, Scenario::RetryAfter, &[Rule::R6]),
    (Operation::List, Scenario::CutBody, &[Rule::R8]),
    (Operation::Fetch, Scenario::CutBody, &[Rule::R8]),
    (Operation::Fetch, Scenario::Always(500), &[Rule::R9]),
    (Operation::List, Scenario::Always(500), &[Rule::R9, Rule::T1, Rule::T2]),
    (Operation::List, Scenario::Always(404), &[Rule::R9]),
    (Operation::List, Scenario::Always(503), &[Rule::T1, Rule::T2]),
    (Operation::Exec, Scenario::Status(502), &[Rule::M1]),
    (Operation::Exec, Scenario::Status(503), &[Rule::M1]),
    (Operation::Post, Scenario::Status(503), &[Rule::M1]),
    (Operation::Post, Scenario::Status(504), &[Rule::M1]),
    (Operation::Exec, Scenario::Reset, &[Rule::M2]),
    (Operation::Post, Scenario::Close, &[Rule::M2]),
    (Operation::Exec, Scenario::NotDispatched, &[Rule::M3]),
    (Operation::Post, Scenario::NotDispatched, &[Rule::M4]),
    (Operation::Exec, Scenario::Window(SHORT_WINDOW), &[Rule::M5]),
    (Operation::Post, Scenario::Window(SHORT_WINDOW), &[Rule::M5]),
    (Operation::Put, Scenario::Status(503), &[Rule::M6]),
    (Operation::Put, Scenario::Close, &[Rule::M6]),
    (Operation::Exec, Scenario::Always(503), &[Rule::T1, Rule::T2]),
];

/// What a run says of a rule.
pub(crate) fn judge(rule: Rule, run: &Run) -> Finding {
    let sends = run.sends().count();
    let is_kept = match rule {
        Rule::R1 | Rule::R2 | Rule::R3 | Rule::R4 | Rule::M3 => run.succeeded(),
        Rule::R5 => run.succeeded() && late(run).is_some_and(|late| late <= LATE),
        Rule::R6 => run.first_gap().is_none_or(|gap| gap >= NAMED),
        Rule::R7 => run.arrivals.len() <= SENDS,
        // Every answer broke off: there was no result to be had.
        Rule::R8 | Rule::T1 => run.ended.how == How::Failure,
        Rule::R9 | Rule::M1 | Rule::M2 | Rule::M4 | Rule::M6 => repeats(run) == 0,
        Rule::M5 => run.succeeded() && sends == 1,
        Rule::T2 => names_status(run),
    };
    Finding {
        rule,
        operation: run.operation,
        scenario: run.scenario.to_string(),
        verdict: if is_kept { Verdict::Kept } else { Verdict::Broken },
        sends,
        requests: run.arrivals.len(),
        seen: seen(rule, run),
        said: if run.ended.how == How::Success { String::new() } else { run.last_words() },
    }
}

/// How often the operation was sent after somebody may have acted on it, or had answered.
fn repeats(run: &Run) -> usize {
    run.sends().count().saturating_sub(1)
}

/// How long after the end of the window the operation arrived.
fn late(run: &Run) -> Option<Duration> {
    let Scenario::Window(millis) = run.scenario else { return None };
    Some(run.arrived_after()?.saturating_sub(Duration::from_millis(millis)))
}

fn names_status(run: &Run) -> bool {
    let Scenario::Always(status) = run.scenario else { return false };
    run.ended.how == How::Failure && run.names(status)
}

/// What was seen, in a few words.
fn seen(rule: Rule, run: &Run) -> String {
    let ended = match run.ended.how {
        How::Success => "success",
        How::Failure => "an error",
        How::TooLate => "no end",
    };
    let sends = run.sends().count();
    let times = if sends == 1 { "once".to_owned() } else { format!("{sends} times") };
    let more = match rule {
        Rule::R5 | Rule::R4 | Rule::M5 => match late(run) {
            Some(late) if run.succeeded() => format!(", {} ms late", late.as_millis()),
            _ => String::new(),
        },
        Rule::R6 => match run.first_gap() {
            Some(gap) => format!(", the next request after {} ms", gap.as_millis()),
            None => String::new(),
        },
        Rule::R7 => format!(", {} requests in all", run.arrivals.len()),
        _ => String::new(),
    };
    format!("sent {times}, {ended} after {:.1} s{more}", run.ended.took.as_secs_f64())
}
