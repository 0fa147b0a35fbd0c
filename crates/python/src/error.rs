//! Errors of the SDK as Python's.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use reveille::{Error, ErrorKind, StopReason};

use crate::history::History;

/// The function that makes an exception of what an error knows.
static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception that stands for an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(instead) => instead,
    }
}

fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let facts = PyDict::new(py);
    facts.set_item("kind", kind(error.kind()))?;
    facts.set_item("fault", error.last_fault().map(|fault| fault.kind.as_str()))?;
    facts.set_item("status", error.status().map(|status| status.as_u16()))?;
    facts.set_item("method", error.method().map(reveille::Method::as_str))?;
    facts.set_item("path", error.path())?;
    facts.set_item("code", error.code())?;
    facts.set_item("explanation", error.explanation())?;
    facts.set_item("body", error.body().map(AsRef::<[u8]>::as_ref))?;
    facts.set_item("process", error.process())?;
    facts.set_item("request_id", error.request_id())?;
    facts.set_item("stop_reason", error.stop_reason().map(stopped))?;
    facts.set_item("retry_after", error.retry_after().map(|after| after.as_secs_f64()))?;
    facts.set_item("may_have_run", error.may_have_run())?;
    facts.set_item("is_unavailable", error.is_unavailable())?;
    facts.set_item("is_retryable", error.is_retryable())?;
    facts.set_item("history", error.history().map(History::of))?;
    let make = MAKE.get_or_try_init(py, || -> PyResult<_> {
        Ok(py.import("reveille_sandbox._errors")?.getattr("make")?.unbind())
    })?;
    make.bind(py).call1((error.to_string(), facts))
}

fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Input => "input",
        ErrorKind::Settings => "settings",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Denied => "denied",
        ErrorKind::NotFound => "not found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Rejected => "rejected",
        ErrorKind::Transport => "transport",
        ErrorKind::Decode => "decode",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::File => "file",
        _ => "other",
    }
}

/// Why nothing was sent again, in one word or two.
pub(crate) fn stopped(stop: StopReason) -> &'static str {
    match stop {
        StopReason::NotReplayable => "not replayable",
        StopReason::BodyOnce => "body once",
        StopReason::Permanent => "permanent",
        StopReason::Exhausted => "exhausted",
        StopReason::RetriesOff => "retries off",
        StopReason::Deadline => "deadline",
        StopReason::ServerDelayTooLong(_) => "server delay too long",
        StopReason::NoWord => "no word",
        _ => "other",
    }
}
