//! Decides whether a request may be sent again.
//!
//! A sandbox on standby needs a moment to resume, and in that window its gateway answers 425, 429, 502,
//! 503 or 504, or drops the connection. This crate takes what was seen (*evidence*) and answers what to do
//! (a *verdict*). It never sleeps, reads a clock or touches a socket: time and random seed are arguments,
//! so that an async and a blocking caller behave alike, and tests need no waiting.
//!
//! ```
//! use http::{HeaderMap, StatusCode};
//! use reveille_retry::{Head, Replay, RetryPolicy, Session, Tick, Verdict};
//!
//! let headers = HeaderMap::new();
//! let mut session = Session::new(&RetryPolicy::new(), Replay::Read, 7);
//!
//! let mut now = Tick::ZERO;
//! session.begin(now)?;
//! let verdict = session.on_head(now, &Head::new(StatusCode::SERVICE_UNAVAILABLE, &headers));
//! let Verdict::Retry { wait, .. } = verdict else { panic!("a read survives a 503") };
//!
//! now = now.after(wait);
//! session.begin(now)?;
//! assert_eq!(session.on_head(now, &Head::new(StatusCode::OK, &headers)), Verdict::Deliver);
//! assert_eq!(session.finish().to_string(), "503, 200");
//! # Ok::<(), reveille_retry::StopReason>(())
//! ```
#![forbid(unsafe_code)]

mod backoff;
mod evidence;
mod history;
mod http_date;
mod policy;
pub mod readiness;
mod retry_after;
mod schedule;
mod session;
mod statuses;
mod tick;
mod verdict;

pub use evidence::{Dispatch, Fault, FaultKind, Head, Proof, Refusal, Replay, Resend};
pub use history::{Attempt, History, Seen};
pub use policy::{InvalidPolicy, RetryPolicy, RetryPolicyBuilder};
pub use readiness::{AfterRefusal, Order, Readiness, ReadinessPolicy, Ticket, TicketId, Woken, Word};
pub use retry_after::retry_after;
pub use session::{AttemptPlan, Limit, Session};
pub use statuses::StatusSet;
pub use tick::Tick;
pub use verdict::{StopReason, Verdict};
