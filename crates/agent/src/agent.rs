//! What the endpoints share.

use std::sync::Arc;
use std::time::SystemTime;

use crate::arguments::Arguments;
use crate::drives::Drives;
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
    drives: Drives,
}

impl Agent {
    /// An agent that begins with nothing.
    pub(crate) fn fresh(arguments: &Arguments) -> Self {
        let inner = Inner {
            started: SystemTime::now(),
            processes: Processes::new(),
            drives: Drives::new(arguments.drives.clone(), Vec::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The processes that were started through it.
    pub(crate) fn processes(&self) -> &Processes {
        &self.inner.processes
    }

    /// The drives that can be mounted.
    pub(crate) fn drives(&self) -> &Drives {
        &self.inner.drives
    }

    /// When it started. An upgrade is no start.
    pub(crate) fn started(&self) -> SystemTime {
        self.inner.started
    }
}
