//! Terminals of other systems than Unix.

use std::io;

/// The terminal at standard input hands on every key as it is.
#[derive(Debug)]
pub(super) struct RawMode(());

impl RawMode {
    pub(super) fn begin() -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "only that of a Unix can be joined with one in a sandbox",
        ))
    }
}
