//! Requests of a client of Python's own, sent under the SDK's rules.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Method, Uri};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use reveille::{Body, Forwarded};

use crate::answer::Answer;
use crate::body::BodySender;
use crate::call::{Call, Made, seconds};
use crate::client::Client;
use crate::error::raised;

type Headers = Vec<(PyBackedBytes, PyBackedBytes)>;

/// How long connecting, silence and the wait for a connection are borne, in seconds; `None` is for ever.
#[derive(Clone, Copy, FromPyObject)]
pub(crate) struct Timeouts(Option<f64>, Option<f64>, Option<f64>);

/// The call that sends a request to any URL. Where `body` is `None`, it comes piece by piece by the sender that is
/// given beside the call.
#[pyfunction]
pub(crate) fn send(
    client: &Client,
    method: &[u8],
    url: &str,
    headers: Headers,
    body: Option<PyBackedBytes>,
    timeouts: Timeouts,
) -> PyResult<(Call, Option<BodySender>)> {
    let mut request = http::Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(method).map_err(refused)?;
    *request.uri_mut() = Uri::try_from(url).map_err(refused)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name).map_err(refused)?;
        request.headers_mut().append(name, HeaderValue::from_bytes(&value).map_err(refused)?);
    }
    let sender = match body {
        Some(body) => {
            *request.body_mut() = Body::from(Bytes::from_owner(body));
            None
        }
        None => {
            let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
            let (sender, body) = BodySender::new(length.and_then(|length| length.parse().ok()));
            *request.body_mut() = body;
            Some(sender)
        }
    };
    let Timeouts(connect, read, pool) = timeouts;
    let call = client.0.send(request).connect_timeout(bound(connect)).read_timeout(bound(read));
    let call = call.pool_timeout(bound(pool));
    Ok((Call::new(async move { handed_back(call.await) }), sender))
}

fn handed_back(answer: Result<Forwarded, reveille::Error>) -> Made {
    Box::new(move |py| match answer {
        Ok(answer) => Ok(Py::new(py, Answer::of(answer))?.into_any()),
        Err(error) => Err(raised(py, &error)),
    })
}

fn bound(most: Option<f64>) -> Duration {
    most.and_then(seconds).unwrap_or(Duration::MAX)
}

fn refused(why: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(why.to_string())
}
