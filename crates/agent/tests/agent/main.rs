//! What the agent does beyond single answers: streams, cuts, upgrades, ends.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod drives;
mod ends;
mod exact_terminals;
mod files;
#[path = "../conformance/replay/http.rs"]
mod http;
mod network;
mod output;
mod ports;
mod processes;
#[path = "../running/mod.rs"]
mod running;
mod terminals;
mod upgrades;
mod uploads;
mod watching;
