//! One sandbox.

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use reveille::{Method, Request, RetryPolicy};

use crate::call::Call;
use crate::client::Client;
use crate::response::{Response, Streamed};
use crate::snapshots::AsWell;
use crate::value::{Options, json, made, nothing, tuned};

/// A handle: nothing is sent by having one.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Sandbox {
    pub(crate) sandbox: reveille::Sandbox,
    pub(crate) policy: RetryPolicy,
}

/// A request to an app.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Asked {
    method: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    content: Option<PyBackedBytes>,
    replay: Option<String>,
}

impl Asked {
    fn of(self, mut request: Request) -> PyResult<Request> {
        let refused = |_| PyValueError::new_err(format!("{:?} is no method", self.method));
        request = request.method(Method::from_bytes(self.method.as_bytes()).map_err(refused)?);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        for (name, value) in self.query {
            request = request.query(name, value);
        }
        if let Some(content) = self.content {
            request = request.body(Bytes::from_owner(content));
        }
        match self.replay.as_deref() {
            None => Ok(request),
            Some("read") => Ok(request.replay(reveille::Replay::Read)),
            Some("vouched") => Ok(request.vouched()),
            Some("never") => Ok(request.mutation()),
            Some(other) => {
                Err(PyValueError::new_err(format!("replay is read, vouched or never, and not {other:?}")))
            }
        }
    }
}

#[pymethods]
impl Sandbox {
    fn fork(&self, target: &str, as_well: AsWell, options: Options) -> Call {
        json(tuned!(as_well.added_to(self.sandbox.fork(target)), options, self.policy))
    }

    #[new]
    fn new(client: &Client, name: &str) -> Self {
        Self { sandbox: client.0.sandbox(name), policy: client.0.policy() }
    }

    /// The sandbox at a URL, as it is.
    #[staticmethod]
    fn at(client: &Client, url: &str, authorized: bool) -> Self {
        let sandbox = client.0.sandbox_at(url);
        let sandbox = if authorized { sandbox.authorized() } else { sandbox };
        Self { sandbox, policy: client.0.policy() }
    }

    #[getter]
    fn url(&self, py: Python<'_>) -> PyResult<String> {
        self.sandbox.url().map_err(|error| crate::error::raised(py, &error))
    }

    fn fetch(&self, port: u16, path: &str, asked: Asked, options: Options) -> PyResult<Call> {
        let request = asked.of(self.sandbox.network().fetch(port, path))?;
        Ok(made(tuned!(request, options, self.policy), Response::made))
    }

    fn stream(&self, port: u16, path: &str, asked: Asked, options: Options) -> PyResult<Call> {
        let request = asked.of(self.sandbox.network().fetch(port, path))?;
        Ok(made(tuned!(request, options, self.policy).stream(), Streamed::made))
    }

    fn request(&self, path: &str, asked: Asked, options: Options) -> PyResult<Call> {
        let request = asked.of(self.sandbox.request(Method::GET, path))?;
        Ok(made(tuned!(request, options, self.policy), Response::made))
    }

    fn health(&self, options: Options) -> Call {
        json(tuned!(self.sandbox.system().health(), options, self.policy))
    }

    fn upgrade(&self, version: Option<String>, base_url: Option<String>, options: Options) -> Call {
        let mut upgrade = self.sandbox.system().upgrade();
        upgrade = version.into_iter().fold(upgrade, reveille::Upgrade::version);
        upgrade = base_url.into_iter().fold(upgrade, reveille::Upgrade::base_url);
        json(tuned!(upgrade, options, self.policy))
    }

    /// The sockets of a process.
    fn sockets(&self, pid: &str, options: Options) -> Call {
        json(tuned!(self.sandbox.ports().of(pid), options, self.policy))
    }

    fn wake(&self, options: Options) -> Call {
        nothing(tuned!(self.sandbox.wake(), options, self.policy))
    }

    fn mounts(&self, options: Options) -> Call {
        json(tuned!(self.sandbox.drives().list(), options, self.policy))
    }

    fn mount(
        &self,
        drive: &str,
        path: &str,
        read_only: bool,
        drive_path: Option<String>,
        options: Options,
    ) -> Call {
        let mut mount = self.sandbox.drives().mount(drive, path);
        if read_only {
            mount = mount.read_only();
        }
        if let Some(path) = drive_path {
            mount = mount.drive_path(path);
        }
        json(tuned!(mount, options, self.policy))
    }

    fn unmount(&self, path: &str, options: Options) -> Call {
        json(tuned!(self.sandbox.drives().unmount(path), options, self.policy))
    }
}
