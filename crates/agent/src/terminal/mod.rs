//! Terminals: shells at a pseudoterminal, which outlive the connections that show them.
//!
//! A session goes on while nobody looks: what it writes is read and the end of it kept. Whoever connects with its
//! name gets what is kept in one message, and then what comes. Whoever asks for it exactly gets what he has not seen
//! yet, and is told how much of what he typed has arrived.

mod backlog;
mod connection;
mod endpoints;
mod exact;
mod pty;
mod session;
mod sessions;
mod typists;
mod viewers;

pub(crate) use endpoints::routes;
pub(crate) use sessions::{SavedSession, Sessions};
