//! What the endpoints share.

use std::sync::Arc;
use std::time::SystemTime;

use crate::process::Processes;

/// The agent itself. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    started: SystemTime,
    processes: Processes,
}

impl Agent {
    /// An agent that begins with nothing.
    pub(crate) fn fresh() -> Self {
        Self { inner: Arc::new(Inner { started: SystemTime::now(), processes: Processes::new() }) }
    }

    /// The processes that were started through it.
    pub(crate) fn processes(&self) -> &Processes {
        &self.inner.processes
    }

    /// When it started. An upgrade is no start.
    pub(crate) fn started(&self) -> SystemTime {
        self.inner.started
    }
}
