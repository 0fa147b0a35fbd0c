//! The one error type of the crate.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong while a server was being set up or watched.
///
/// Misbehaviour towards a client is never an error here: it is what the script asked for.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A script file says something that cannot be understood.
    Script,
    /// The server could not listen.
    Listen,
    /// The address can be reached from other machines and that was not allowed.
    Exposed,
    /// What a test waited for did not happen in time.
    Timeout,
    /// The server ended while somebody waited on it.
    Stopped,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn script(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Script, message)
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
