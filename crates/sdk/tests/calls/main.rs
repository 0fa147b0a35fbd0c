//! What calls do when things go wrong, measured by what arrived at the server.
//!
//! Every table runs awaited and waited for, and over HTTP/1.1 and HTTP/2 where the fault exists in both. The
//! names of the rows say which point of the project's corpus of edge cases they are (A1 to E48). Points that
//! are not here, and why:
//!
//! - A4 (forward proxies): loopback goes through no proxy; `transport::proxy` tests the tunnel itself.
//! - A7, a body that ends with its connection: short and whole cannot be told apart, so there is nothing to see.
//! - A7, a cut gzip stream: nothing is decoded here, so that it is a cut body or whole.
//! - A9, a GOAWAY before a stream has its number: the server acts on requests that arrived; the pool then gives
//!   the request back unsent, which is `Proof::Canceled`.
//! - A10, HTTP_1_1_REQUIRED: a read is tried again over the same version; there is no downgrade.
//! - A11: a connection without a sign of life is ended by PINGs after 60 s; the bound on silence is tested.
//! - A13, 101: it is answered to nobody who did not ask to upgrade.
//! - A15: shortages cannot be made here without harm; `transport::evidence` tests how they are read.
//! - A16: connections live on a runtime of their own, which does not end.
//! - B23, the forms of `Retry-After`, and C28, C29, C31, C32 (numbers, clocks, jitter): `reveille-retry`.
//! - C27: in `settings::environment`, as tests must not change the environment of a process.
//! - E40, dropped while connecting: the server cannot tell a connection that was given up from one that is idle.
//! - E41, Ctrl-C: a signal ends the process; nothing of this crate handles one.
//! - E44 (secrets) has a process of its own: `tests/secrets.rs`.
//! - E43, a token refused before it expires: the call ends with its 401, and the next one asks for a new token.
//! - E47, another edge: a name is resolved anew for each connection.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bodies;
mod budget;
mod connections;
mod faults;
mod files;
mod forward;
mod harness;
mod http2;
mod interim;
mod limits;
mod processes;
mod program;
mod proof;
mod readiness;
mod sandboxes;
mod statuses;
mod streams;
mod tls;
mod tokens;
mod truth;
mod typed_reads;
