//! Who looks whether a sandbox is awake, and who waits for the word.
//!
//! [`Session`](crate::Session) decides for one call. [`Readiness`] is one value for one sandbox and one client, and
//! decides what their calls do together: one of them looks, cheaply and often, and the others wait for the word and
//! go at once when it comes. A read in doubt looks by going itself; a mutation is preceded by a probe (a short read
//! that is always there and always safe), so that it is sent once, to a sandbox that has answered.
//!
//! Like the session it does nothing by itself. Its owner tells it what happens and when, does what each
//! [`Order`] says, and after each event wakes the calls that [`woken`](Readiness::woken) names. For one call:
//!
//! ```
//! use std::time::Duration;
//! use http::{HeaderMap, StatusCode};
//! use reveille_retry::{Head, Readiness, ReadinessPolicy, Replay, RetryPolicy, Session, Tick, Verdict};
//! use reveille_retry::{AfterRefusal, Order, Word};
//!
//! let at = |ms| Tick::ZERO.after(Duration::from_millis(ms));
//! let mut sandbox = Readiness::new(ReadinessPolicy::new());
//! let mut session = Session::new(&RetryPolicy::new(), Replay::Read, 7);
//!
//! // A read that nobody knows anything for goes, and meets the window.
//! let mut ticket = sandbox.arrive(Replay::Read, session.last_send(at(0)));
//! assert_eq!(sandbox.poll(at(0), &mut ticket), Order::Go);
//! session.begin(at(0))?;
//! let headers = HeaderMap::new();
//! let verdict = session.on_head(at(2), &Head::new(StatusCode::SERVICE_UNAVAILABLE, &headers));
//! assert!(matches!(verdict, Verdict::Retry { .. }));
//!
//! // It waits for the word, and as it is the first that waits, it looks.
//! let after = sandbox.refused(at(2), &mut ticket, None);
//! assert_eq!(after, AfterRefusal::WaitForWord);
//! sandbox.wait(&mut ticket, session.last_send(at(2)));
//! let Order::Wait { until } = sandbox.poll(at(2), &mut ticket) else { panic!("nobody looks at once") };
//! assert_eq!(until, at(10));
//! assert!(matches!(sandbox.poll(until, &mut ticket), Order::Probe { .. }));
//!
//! // The probe is answered: the read goes at once, long before its own schedule would have sent it.
//! sandbox.probed(at(12), &ticket, Word::Ready);
//! assert_eq!(sandbox.poll(at(12), &mut ticket), Order::Go);
//! session.waited(at(2), at(12));
//! session.begin(at(12))?;
//! assert_eq!(session.on_head(at(13), &Head::new(StatusCode::OK, &headers)), Verdict::Deliver);
//! sandbox.answered(at(13), &mut ticket);
//! sandbox.leave(&mut ticket);
//! assert_eq!(session.finish().to_string(), "503, waited 10 ms for the probe, 200");
//! # Ok::<(), reveille_retry::StopReason>(())
//! ```

mod machine;
mod policy;
mod state;
mod ticket;

pub use machine::Readiness;
pub use policy::ReadinessPolicy;
pub use ticket::{AfterRefusal, Order, Ticket, TicketId, Woken, Word};
