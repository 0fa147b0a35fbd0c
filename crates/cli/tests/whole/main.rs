//! The built binary, as a person uses it, against the built host.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod answers;
mod attended;
mod background;
mod clients;
mod commands;
mod conformance;
mod curl;
mod cuts;
mod documents;
mod ends;
mod files;
mod grade;
mod habits;
mod images;
mod input;
mod once;
mod ordinary;
mod place;
mod processes;
mod python;
mod reaching;
mod readiness;
mod relay;
mod schedules;
mod setup;
mod snapshots;
mod telling;
mod terminal;
mod tools;
mod volumes;
mod windows;
