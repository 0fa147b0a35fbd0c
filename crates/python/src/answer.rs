//! An answer whose body Python reads as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Version;
use http_body::Body as _;
use http_body_util::BodyExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use reveille::{Error, Forwarded, ForwardedBody};
use tokio::sync::Mutex;

use crate::call::{Call, Made};
use crate::error::{raised, stopped};
use crate::history::History;

/// The answer to a request that was sent for a client of Python's own.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Answer {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    version: &'static str,
    #[pyo3(get)]
    stop_reason: Option<&'static str>,
    headers: reveille::HeaderMap,
    history: reveille::History,
    body: Arc<Mutex<Option<ForwardedBody>>>,
}

/// What there is of a body.
#[derive(IntoPyObject)]
pub(crate) enum Piece<'py> {
    Bytes(Bound<'py, PyBytes>),
    End(Option<bool>),
    Waits(Call),
}

impl Answer {
    pub(crate) fn of(answer: Forwarded) -> Self {
        let version = match answer.version() {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let (history, stop_reason) = (answer.history().clone(), answer.stop_reason().map(stopped));
        let (head, body) = answer.into_http().into_parts();
        let body = Arc::new(Mutex::new(Some(body)));
        Self { status: head.status.as_u16(), version, stop_reason, headers: head.headers, history, body }
    }
}

#[pymethods]
impl Answer {
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes()))
        };
        self.headers.iter().map(pair).collect()
    }

    #[getter]
    fn history(&self) -> History {
        History::of(&self.history)
    }

    /// The next piece of the body, `None` at its end, or a call that gives either.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Piece<'py>> {
        let Ok(mut body) = Arc::clone(&self.body).try_lock_owned() else { return Ok(self.wait_for_next()) };
        loop {
            let Some(open) = body.as_mut() else { return Ok(Piece::End(None)) };
            match Pin::new(open).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Piece::Bytes(PyBytes::new(py, &bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    *body = None;
                    return Err(raised(py, &error));
                }
                Poll::Ready(None) => *body = None,
            }
        }
        drop(body);
        Ok(self.wait_for_next())
    }

    /// Lets go of the rest of the body.
    fn close(&self) {
        if let Ok(mut body) = self.body.try_lock() {
            *body = None;
        }
    }
}

impl Answer {
    fn wait_for_next<'py>(&self) -> Piece<'py> {
        let body = Arc::clone(&self.body);
        Piece::Waits(Call::new(async move {
            let piece = next(&mut *body.lock().await).await;
            Box::new(move |py: Python<'_>| match piece {
                Ok(Some(bytes)) => Ok(PyBytes::new(py, &bytes).into_any().unbind()),
                Ok(None) => Ok(py.None()),
                Err(error) => Err(raised(py, &error)),
            }) as Made
        }))
    }
}

async fn next(body: &mut Option<ForwardedBody>) -> Result<Option<Bytes>, Error> {
    while let Some(open) = body {
        match open.frame().await {
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(error)) => {
                *body = None;
                return Err(error);
            }
            None => *body = None,
        }
    }
    Ok(None)
}
