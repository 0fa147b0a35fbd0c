//! The built binary, as a person uses it, against the built host.
#![cfg(target_os = "linux")]

mod commands;
mod ends;
mod input;
mod place;
mod windows;
