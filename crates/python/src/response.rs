//! The answers of apps.

use futures_util::StreamExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use reveille::{HeaderMap, StreamResponse};

use crate::error::{raised, stopped};
use crate::history::History;
use crate::value::{Values, as_bytes};

/// An answer, with its whole body.
#[pyclass(frozen, module = "reveille_sandbox")]
pub struct Response(reveille::Response);

/// An answer whose body is read as it comes.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Streamed {
    #[pyo3(get)]
    status: u16,
    headers: HeaderMap,
    history: reveille::History,
    #[pyo3(get)]
    pieces: Py<Values>,
}

impl Response {
    pub(crate) fn made(response: reveille::Response, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Self(response))?.into_any())
    }
}

impl Streamed {
    pub(crate) fn made(response: StreamResponse, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let status = response.status().as_u16();
        let (headers, history) = (response.headers().clone(), response.history().clone());
        let pieces = Values::of(response.boxed(), |piece, py| as_bytes(&piece, py));
        let streamed = Self { status, headers, history, pieces: Py::new(py, pieces)? };
        Ok(Py::new(py, streamed)?.into_any())
    }
}

/// Headers by their names in lower case; what came more than once stands between commas.
fn by_name<'py>(headers: &HeaderMap, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        all.set_item(name.as_str(), values.collect::<Vec<_>>().join(", "))?;
    }
    Ok(all)
}

#[pymethods]
impl Response {
    #[getter]
    fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(self.0.headers(), py)
    }

    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    #[getter]
    fn text(&self) -> String {
        self.0.text().into_owned()
    }

    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (PyBytes::new(py, self.0.bytes()),))
    }

    #[getter]
    fn history(&self) -> History {
        History::of(self.0.history())
    }

    #[getter]
    fn stop_reason(&self) -> Option<&'static str> {
        self.0.stop_reason().map(stopped)
    }

    #[getter]
    fn may_have_run(&self) -> bool {
        self.0.may_have_run()
    }

    fn raise_for_status(&self, py: Python<'_>) -> PyResult<()> {
        match self.0.to_error() {
            Some(error) => Err(raised(py, &error)),
            None => Ok(()),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Response {}>", self.0.status())
    }
}

#[pymethods]
impl Streamed {
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(&self.headers, py)
    }

    #[getter]
    fn history(&self) -> History {
        History::of(&self.history)
    }
}
