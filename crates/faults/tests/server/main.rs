//! The fault server, seen from its clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod client;
mod http1_answers;
mod http1_faults;
mod http2_answers;
mod http2_client;
mod http2_faults;
mod script_files;
mod watching;
