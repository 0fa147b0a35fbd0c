//! The local host: sandboxes of real processes that go to standby and resume.
//!
//! A [`Host`] serves the control plane under `/v0` and, under `/{workspace}/sandboxes/{name}/`, the gateway to
//! each sandbox's agent. What runs the sandboxes is an [`engine::Engine`].
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod agent;
mod announce;
mod auth;
mod clock;
mod control;
pub mod egress;
pub mod engine;
mod error;
mod gateway;
mod host;
mod image;
pub mod observer;
mod preview;
mod sandbox;
mod server;
mod settings;
mod store;
mod workspace;

pub use clock::Clock;
pub use engine::{AgentCommand, Isolation, Lifetime};
pub use error::{Error, ErrorKind};
pub use host::Host;
pub use settings::{HostSettings, Limits, PreviewUrls, Refuse, WhileWaking};
pub use store::{Notebook, host_on};

pub use reveille_wire::{LocalHost, state_dir};
