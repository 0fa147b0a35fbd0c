//! The client, as Python makes one.

use std::net::IpAddr;
use std::time::Duration;

use pyo3::prelude::*;
use reveille::{ConnectionLimits, HttpVersion, RetryPolicy};

use crate::call::seconds;
use crate::error::raised;

/// A client of the SDK.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Client(pub(crate) reveille::Client);

/// What Python says of a client.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Settings {
    api_key: Option<String>,
    client_credentials: Option<(String, String)>,
    workspace: Option<String>,
    api_url: Option<String>,
    run_url: Option<String>,
    region: Option<String>,
    retries: Option<u32>,
    standby: bool,
    deadline: Option<f64>,
    probe: bool,
    connect_timeout: Option<f64>,
    read_timeout: Option<f64>,
    http_version: Option<u8>,
    limits: Option<Limits>,
    local_address: Option<IpAddr>,
    roots: Vec<Vec<u8>>,
    checks_certificates: bool,
    certificate: Option<(Vec<Vec<u8>>, Vec<u8>)>,
    proxy: Option<String>,
    proxies_of_environment: bool,
}

/// How many connections there may be, how many idle, and for how many seconds; `None` is no bound.
#[derive(FromPyObject)]
struct Limits(Option<usize>, Option<usize>, Option<f64>);

impl From<Limits> for ConnectionLimits {
    fn from(Limits(most, idle, idle_for): Limits) -> Self {
        let mut limits = Self::new().idle_for(idle_for.and_then(seconds).unwrap_or(Duration::MAX));
        if let Some(most) = most {
            limits = limits.max(most);
        }
        if let Some(idle) = idle {
            limits = limits.max_idle(idle);
        }
        limits
    }
}

impl Settings {
    fn build(self) -> Result<reveille::Client, reveille::Error> {
        let mut builder = reveille::Client::builder();
        if let Some(key) = self.api_key {
            builder = builder.api_key(key);
        }
        if let Some((id, secret)) = self.client_credentials {
            builder = builder.client_credentials(id, secret);
        }
        if let Some(workspace) = self.workspace {
            builder = builder.workspace(workspace);
        }
        if let Some(url) = self.api_url {
            builder = builder.api_url(url);
        }
        if let Some(url) = self.run_url {
            builder = builder.run_url(url);
        }
        if let Some(region) = self.region {
            builder = builder.region(region);
        }
        if self.standby {
            builder = builder.retry(RetryPolicy::standby());
        }
        if let Some(retries) = self.retries {
            builder = builder.retries(retries);
        }
        if let Some(deadline) = self.deadline.and_then(seconds) {
            builder = builder.deadline(deadline);
        }
        if !self.probe {
            builder = builder.no_probe();
        }
        if let Some(most) = self.connect_timeout {
            builder = builder.connect_timeout(seconds(most).unwrap_or(Duration::MAX));
        }
        if let Some(most) = self.read_timeout {
            builder = builder.read_timeout(seconds(most).unwrap_or(Duration::MAX));
        }
        if let Some(version) = self.http_version {
            builder =
                builder.http_version(if version == 2 { HttpVersion::Http2 } else { HttpVersion::Http1 });
        }
        if let Some(limits) = self.limits {
            builder = builder.limits(limits.into());
        }
        if let Some(address) = self.local_address {
            builder = builder.local_address(address);
        }
        for root in self.roots {
            builder = builder.add_root_certificate(root);
        }
        if !self.checks_certificates {
            builder = builder.believe_any_certificate();
        }
        if let Some((chain, key)) = self.certificate {
            builder = builder.client_certificate(chain, key);
        }
        match self.proxy {
            Some(url) => builder = builder.proxy(url),
            None if !self.proxies_of_environment => builder = builder.no_proxy(),
            None => {}
        }
        builder.build()
    }
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, settings: Settings) -> PyResult<Self> {
        py.detach(|| settings.build()).map(Self).map_err(|error| raised(py, &error))
    }

    /// The same with connections of its own.
    fn with_limits(&self, limits: Limits) -> Self {
        Self(self.0.with_limits(limits.into()))
    }

    #[getter]
    fn api_url(&self) -> &str {
        self.0.api_url()
    }

    #[getter]
    fn run_url(&self) -> &str {
        self.0.run_url()
    }

    #[getter]
    fn workspace(&self) -> Option<&str> {
        self.0.workspace()
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings().to_vec()
    }
}
