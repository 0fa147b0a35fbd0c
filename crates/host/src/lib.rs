//! The local host: sandboxes of real processes that go to standby and resume.
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

pub mod engine;
