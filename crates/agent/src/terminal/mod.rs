//! Terminals: shells at a pseudoterminal, which outlive the connections that show them.
//!
//! A session goes on while nobody looks: what it writes is read and the end of it kept. Whoever connects with its
//! name gets what is kept in one message, and then what comes.

mod backlog;
mod connection;
mod endpoints;
mod pty;
mod session;
mod sessions;

pub(crate) use endpoints::routes;
pub(crate) use sessions::{SavedSession, Sessions};
