use std::error::Error as StdError;
use std::fmt;

/// Why an engine could not do what it was asked for.
///
/// Its one line says what happened and, where there is something to do, what to do.
#[derive(Debug)]
pub struct EngineError {
    kind: EngineErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// The engine has no sandbox of that name.
    Absent,
    /// There is one of that name, and it is running.
    Exists,
    /// The sandbox ended by itself; it can be made again with its files.
    Ended,
    /// The machine cannot do what the settings demand.
    Unsupported,
    /// What its plan asks for has no place in it.
    Unfit,
    /// It took longer than the engine waits.
    TimedOut,
    /// The machine refused: a file, a process, a limit.
    System,
    /// A later command to the same sandbox came first; nothing was done.
    Overtaken,
    /// The engine cannot be asked now: nothing is known.
    Unreachable,
    /// The engine itself is shutting down.
    ShutDown,
}

impl EngineError {
    /// An error of a kind, with its one line.
    #[must_use]
    pub fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        self.kind
    }

    pub(super) fn system(
        what: impl fmt::Display,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        Self { kind: EngineErrorKind::System, message: format!("{what}: {source}"), source: Some(source) }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for EngineError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
