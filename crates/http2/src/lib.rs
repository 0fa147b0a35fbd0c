//! HTTP/2 for gateways.
//!
//! [`Http2`] serves a connection that [begins as one](is_spoken), request by request. It does what an HTTP library does
//! and what a gateway needs besides: interim answers go out on the stream that they belong to, whoever waits to be asked
//! for a body is asked when somebody reads it, a stream that changes over to another protocol is bytes like any
//! connection's ([`Change`]), and a body that breaks or is shorter than announced never looks like a whole one.
//!
//! [`Client`] is the other side: it hears interim answers, and says what became of a request by the types of errors. The
//! feature `server`, which is on by default, is for all but that.
#![forbid(unsafe_code)]

mod client;
mod duplex;
mod outgoing;
mod watched;

#[cfg(feature = "server")]
mod alive;
#[cfg(feature = "server")]
mod answer;
#[cfg(feature = "server")]
mod change;
#[cfg(feature = "server")]
mod connection;
#[cfg(feature = "server")]
mod incoming;
#[cfg(feature = "server")]
mod preface;
#[cfg(feature = "server")]
mod said;
#[cfg(feature = "server")]
mod stream;

pub use client::{Answer, Arriving, Client, Driver, Error, Unanswered};
pub use duplex::Duplex;

#[cfg(feature = "server")]
pub use change::{Change, Changed, protocol};
#[cfg(feature = "server")]
pub use connection::{Bounds, Http2};
#[cfg(feature = "server")]
pub use incoming::Incoming;
#[cfg(feature = "server")]
pub use preface::is_spoken;
