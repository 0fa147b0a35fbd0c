//! The server's side of HTTP/2 for gateways.
//!
//! [`Http2`] serves a connection that [begins as one](is_spoken), request by request. It does what an HTTP library does
//! and what a gateway needs besides: interim answers go out on the stream that they belong to, whoever waits to be asked
//! for a body is asked when somebody reads it, a stream that changes over to another protocol is bytes like any
//! connection's ([`Change`]), and a body that breaks or is shorter than announced never looks like a whole one.
#![forbid(unsafe_code)]

mod alive;
mod answer;
mod change;
mod connection;
mod incoming;
mod preface;
mod said;
mod stream;

pub use change::{Change, Changed, Duplex, protocol};
pub use connection::{Bounds, Http2};
pub use incoming::Incoming;
pub use preface::is_spoken;
