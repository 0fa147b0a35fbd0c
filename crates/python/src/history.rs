//! What was tried.

use pyo3::prelude::*;
use reveille::{Dispatch, Seen};

/// Every attempt of a call, in order.
#[pyclass(frozen, module = "reveille_sandbox", name = "History")]
pub struct History(reveille::History);

/// One sending of a request. Times are in seconds.
#[pyclass(frozen, get_all, module = "reveille_sandbox", name = "Attempt")]
pub struct Attempt {
    status: Option<u16>,
    fault: Option<&'static str>,
    may_have_run: bool,
    began: f64,
    took: f64,
    wait: f64,
    waited_for_probe: f64,
}

impl History {
    pub(crate) fn of(history: &reveille::History) -> Self {
        Self(history.clone())
    }
}

impl Attempt {
    fn of(attempt: &reveille::Attempt) -> Self {
        let (status, fault) = match attempt.seen {
            Seen::Status(status) => (Some(status.as_u16()), None),
            Seen::Fault(kind) => (None, Some(kind.as_str())),
            _ => (None, None),
        };
        Self {
            status,
            fault,
            may_have_run: !matches!(attempt.dispatch, Dispatch::NotDispatched(_)),
            began: attempt.began.as_secs_f64(),
            took: attempt.took.as_secs_f64(),
            wait: attempt.wait.as_secs_f64(),
            waited_for_probe: attempt.waited_for_probe.as_secs_f64(),
        }
    }
}

#[pymethods]
impl History {
    /// The attempts; of more than 256 the first 255 and the last.
    #[getter]
    fn attempts(&self) -> Vec<Attempt> {
        self.0.iter().map(Attempt::of).collect()
    }

    /// From the start of the call to the end of its last attempt, in seconds.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// How long the word of the sandbox was waited for, in seconds.
    #[getter]
    fn waited_for_probe(&self) -> f64 {
        self.0.waited_for_probe().as_secs_f64()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<History {}>", self.0)
    }
}

#[pymethods]
impl Attempt {
    fn __repr__(&self) -> String {
        match (self.status, self.fault) {
            (Some(status), _) => format!("<Attempt {status}>"),
            (None, fault) => format!("<Attempt {}>", fault.unwrap_or_default()),
        }
    }
}
