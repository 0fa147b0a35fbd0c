//! How an event loop learns that calls have ended.

mod calling;
#[cfg(unix)]
mod watched;

use pyo3::prelude::*;

pub(crate) use calling::CallingBell;
#[cfg(unix)]
pub(crate) use watched::WatchedBell;

/// What a call rings when it has ended.
///
/// Whoever rings needs no interpreter, and so waits for none: a loop that is busy holds no call up.
#[derive(FromPyObject)]
pub(crate) enum Bell {
    #[cfg(unix)]
    Watched(Py<WatchedBell>),
    Calling(Py<CallingBell>),
}

impl Bell {
    /// Says that what `waits` stands for has ended.
    pub(crate) fn ring(&self, waits: Py<PyAny>) {
        match self {
            #[cfg(unix)]
            Self::Watched(bell) => bell.get().ring(waits),
            Self::Calling(bell) => bell.get().ring(waits),
        }
    }
}
