//! Standby: who may go to a sandbox's agent, when the sandbox may sleep, and the carrying out of both.
//!
//! [`wake`], [`idle`] and [`core`] decide, without I/O and without a clock; the others act.

mod asked;
pub(super) mod carrying_out;
pub(super) mod core;
pub(super) mod idle;
mod news;
pub(super) mod wake;
pub(super) mod watch;

pub(crate) use asked::NotSlept;
pub(crate) use news::Rest;
