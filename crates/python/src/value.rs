//! What calls bring, as Python's own.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use reveille::{Error, RetryPolicy};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::call::{Call, Made, seconds};
use crate::error::raised;

/// What is said of one call.
#[derive(Clone, Copy, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    deadline: Option<f64>,
    retries: Option<u32>,
    probe: bool,
}

impl Options {
    pub(crate) fn deadline(self) -> Option<Duration> {
        self.deadline.and_then(seconds)
    }

    pub(crate) fn policy(self, of_client: RetryPolicy) -> Option<RetryPolicy> {
        self.retries.map(|retries| of_client.with_retries(retries))
    }

    pub(crate) fn probes(self) -> bool {
        self.probe
    }
}

/// Tunes a call, or a builder that ends as one, by what was said of it.
macro_rules! tuned {
    ($call:expr, $options:expr, $policy:expr) => {{
        let (mut call, options) = ($call, $options);
        if let Some(deadline) = options.deadline() {
            call = call.deadline(deadline);
        }
        if let Some(policy) = options.policy($policy) {
            call = call.retry(policy);
        }
        if !options.probes() {
            call = call.no_probe();
        }
        call
    }};
}

pub(crate) use tuned;

/// A call whose value becomes Python's by `make`.
pub(crate) fn made<T, W>(work: W, make: fn(T, Python<'_>) -> PyResult<Py<PyAny>>) -> Call
where
    T: Send + 'static,
    W: IntoFuture<Output = Result<T, Error>>,
    W::IntoFuture: Future + Send + 'static,
{
    let work = work.into_future();
    Call::new(async move {
        let value = work.await;
        Box::new(move |py: Python<'_>| match value {
            Ok(value) => make(value, py),
            Err(error) => Err(raised(py, &error)),
        }) as Made
    })
}

/// A call whose value is told as JSON.
pub(crate) fn json<T, W>(work: W) -> Call
where
    T: Serialize + Send + 'static,
    W: IntoFuture<Output = Result<T, Error>>,
    W::IntoFuture: Future + Send + 'static,
{
    made(work, |value: T, py| as_json(&value, py))
}

/// A call of which it only counts that it went well.
pub(crate) fn nothing<W>(work: W) -> Call
where
    W: IntoFuture<Output = Result<(), Error>>,
    W::IntoFuture: Future + Send + 'static,
{
    made(work, |(), py| Ok(py.None()))
}

pub(crate) fn as_json<T: Serialize>(value: &T, py: Python<'_>) -> PyResult<Py<PyAny>> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
    Ok(PyString::new(py, &text).into_any().unbind())
}

pub(crate) fn as_bytes(bytes: &Bytes, py: Python<'_>) -> PyResult<Py<PyAny>> {
    Ok(PyBytes::new(py, bytes).into_any().unbind())
}

/// Values that come one after the other.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Values(Arc<Mutex<Option<BoxStream<'static, Made>>>>);

impl Values {
    /// The values of a stream, each made Python's by `make`.
    pub(crate) fn of<T, S>(stream: S, make: fn(T, Python<'_>) -> PyResult<Py<PyAny>>) -> Self
    where
        T: Send + 'static,
        S: Stream<Item = Result<T, Error>> + Send + 'static,
    {
        let values = stream.map(move |value| {
            Box::new(move |py: Python<'_>| match value {
                Ok(value) => make(value, py),
                Err(error) => Err(raised(py, &error)),
            }) as Made
        });
        Self(Arc::new(Mutex::new(Some(values.boxed()))))
    }
}

#[pymethods]
impl Values {
    /// The call that gives the next one, `None` at the end.
    fn next(&self) -> Call {
        let values = Arc::clone(&self.0);
        Call::new(async move {
            let mut open = values.lock().await;
            let next = match open.as_mut() {
                Some(values) => values.next().await,
                None => None,
            };
            next.unwrap_or_else(|| {
                *open = None;
                Box::new(|py: Python<'_>| Ok(py.None()))
            })
        })
    }

    /// Lets go of the rest.
    fn close(&self) {
        if let Ok(mut open) = self.0.try_lock() {
            *open = None;
        }
    }
}
