//! How a client behaves while a sandbox wakes.
//!
//! A command that uses the client is run once for each [`Scenario`] against a server that misbehaves, and what arrived
//! there, how the command ended and what it said are judged by the [`Rule`]s of the contract. How the client is built
//! does not matter; what the command is told stands in its environment:
//!
//! | variable | |
//! | --- | --- |
//! | `GRADE_OPERATION` | what to do: `list` (the drives of the sandbox, a read by the typed API), `fetch` (a GET of `/page` on port 3000), `exec` (run `true` and wait for its end), `post` (a POST of `/orders` to port 3000), `put` (a PUT of `/orders/1` to port 3000) |
//! | `BL_API_URL`, `BL_RUN_URL`, `BL_SANDBOX_BOX_URL` | where the platform and the sandbox `box` are |
//! | `BL_API_KEY`, `BL_WORKSPACE` | `grade` and `acme` |
//!
//! It does the operation once, ends with 0 where that was a success and with another status where it was not, and
//! writes the error to stderr. An operation that its client does not have, or not in this way, it does not do: what
//! does not even work while nothing is wrong is not judged.
//!
//! ```no_run
//! use reveille_grade::{Grade, Rule, Verdict};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let report = Grade::new(["python3", "client.py"]).run().await?;
//! let repeats = report.findings.iter().any(|it| it.rule == Rule::M1 && it.verdict == Verdict::Broken);
//! assert!(!repeats, "it sends mutations twice");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answers;
mod client;
mod error;
mod grade;
mod judgement;
mod junit;
mod own;
mod real;
mod report;
mod rule;
mod scenario;
mod seen;

pub use error::Error;
pub use grade::Grade;
pub use own::{Own, OwnFinding};
pub use real::{Arrivals, Arrived, Sleeper};
pub use report::{Finding, Report, Verdict};
pub use rule::{Rule, UnknownRule};
pub use scenario::{Operation, Scenario};
