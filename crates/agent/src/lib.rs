//! The API server that runs inside a sandbox.
//!
//! The agent is the root of a sandbox's processes. It answers the sandbox protocol: health, processes, drives
//! and the way to the ports that programs in the sandbox listen on. It knows nothing of gateways, of standby or
//! of other sandboxes, and it asks for no credentials: it listens on a unix socket that was handed in, or on
//! loopback. Linux only; elsewhere this crate is empty.
//!
//! It is a program rather than a library: [`main`] is all there is.
//!
//! ```
//! # #[cfg(target_os = "linux")] {
//! // An agent that cannot start says why on standard error, and fails.
//! let ended = reveille_agent::main(["--listen".into(), "example.com:80".into()]);
//! assert_eq!(ended, std::process::ExitCode::from(2));
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

mod agent;
mod arguments;
mod beyond;
mod boot;
mod clock;
mod connection;
mod domain;
mod drives;
mod failure;
mod files;
mod ignored;
mod json;
mod listener;
mod mcp;
mod network;
mod parameters;
mod passage;
mod privilege;
mod process;
mod received;
mod reference;
mod routes;
mod run;
mod system;
mod terminal;
mod terminate;
mod upgrade;
mod user;
mod workplace;

pub use run::main;
