//! A shell at a terminal.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use reveille::{OpenTerminal, TerminalEvent, TerminalInput};

use crate::call::{Call, seconds};
use crate::sandbox::Sandbox;
use crate::value::{Values, made, nothing};

/// A terminal that is open: its keyboard, its window, and what happens at it.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Terminal {
    input: TerminalInput,
    #[pyo3(get)]
    session: String,
    #[pyo3(get)]
    is_exact: bool,
    #[pyo3(get)]
    events: Py<Values>,
}

/// What is said of a terminal that is to be opened.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Wanted {
    cols: u16,
    rows: u16,
    session: Option<String>,
    shell: Option<String>,
    cwd: Option<String>,
    command: Option<String>,
    deadline: Option<f64>,
}

impl Wanted {
    fn of(self, open: OpenTerminal) -> OpenTerminal {
        let mut open = open.size(self.cols, self.rows);
        open = self.session.into_iter().fold(open, OpenTerminal::session);
        open = self.shell.into_iter().fold(open, OpenTerminal::shell);
        open = self.cwd.into_iter().fold(open, OpenTerminal::dir);
        open = self.command.into_iter().fold(open, OpenTerminal::command);
        self.deadline.and_then(seconds).into_iter().fold(open, OpenTerminal::deadline)
    }
}

#[pymethods]
impl Terminal {
    /// Opens one.
    #[staticmethod]
    fn open(sandbox: &Sandbox, wanted: Wanted) -> Call {
        made(wanted.of(sandbox.sandbox.terminal()), |terminal, py| {
            let (input, is_exact) = (terminal.input(), terminal.is_exact());
            let session = terminal.session().to_owned();
            let events = Py::new(py, Values::of(terminal, told))?;
            Ok(Py::new(py, Self { input, session, is_exact, events })?.into_any())
        })
    }

    fn send(&self, keys: PyBackedBytes) -> Call {
        nothing(self.input.send(Bytes::from_owner(keys)))
    }

    fn resize(&self, cols: u16, rows: u16) {
        self.input.resize(cols, rows);
    }

    fn hang_up(&self) {
        self.input.hang_up();
    }
}

/// An event as a pair: what happened, and what is said of it.
fn told(event: TerminalEvent, py: Python<'_>) -> PyResult<Py<PyAny>> {
    let pair = match event {
        TerminalEvent::Output(bytes) => ("shown", PyBytes::new(py, &bytes)).into_pyobject(py)?,
        TerminalEvent::Missing { bytes } => ("missing", bytes).into_pyobject(py)?,
        TerminalEvent::Disconnected => ("disconnected", py.None()).into_pyobject(py)?,
        TerminalEvent::Reconnected { unsure, repeats } => {
            ("reconnected", (PyBytes::new(py, &unsure), repeats)).into_pyobject(py)?
        }
        TerminalEvent::Ended(end) => ("ended", (end.code, end.signal)).into_pyobject(py)?,
        _ => ("unknown", py.None()).into_pyobject(py)?,
    };
    Ok(pair.into_any().unbind())
}
