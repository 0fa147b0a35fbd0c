//! What outlives sandboxes: volumes, drives and images.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use reveille::{Body, RetryPolicy};

use crate::call::Call;
use crate::client::Client;
use crate::value::{Options, Values, as_json, json, made, tuned};

/// The volumes of a workspace.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Volumes {
    volumes: reveille::Volumes,
    policy: RetryPolicy,
}

#[pymethods]
impl Volumes {
    #[new]
    fn new(client: &Client) -> Self {
        Self { volumes: client.0.volumes(), policy: client.0.policy() }
    }

    /// Every volume, page by page.
    fn pages(&self, options: Options) -> Values {
        let list = tuned!(self.volumes.list(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    fn get(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.volumes.get(name), options, self.policy))
    }

    fn create(
        &self,
        name: &str,
        size: Option<u64>,
        region: Option<String>,
        labels: BTreeMap<String, String>,
        options: Options,
    ) -> Call {
        let mut make = self.volumes.create(name);
        make = size.into_iter().fold(make, reveille::CreateVolume::size);
        make = region.into_iter().fold(make, reveille::CreateVolume::region);
        make = labels.into_iter().fold(make, |make, (key, value)| make.label(key, value));
        json(tuned!(make, options, self.policy))
    }

    /// Looks at a volume, and has it grow.
    fn resize(&self, name: String, size: u64, options: Options) -> Call {
        let (volumes, policy) = (self.volumes.clone(), self.policy);
        made(
            async move {
                let mut volume = tuned!(volumes.get(name), options, policy).await?;
                volume.spec.size = Some(size);
                tuned!(volumes.update(&volume), options, policy).await
            },
            |volume, py| as_json(&volume, py),
        )
    }

    fn delete(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.volumes.delete(name), options, self.policy))
    }
}

/// The drives of a workspace.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct WorkspaceDrives {
    drives: reveille::WorkspaceDrives,
    policy: RetryPolicy,
}

#[pymethods]
impl WorkspaceDrives {
    #[new]
    fn new(client: &Client) -> Self {
        Self { drives: client.0.drives(), policy: client.0.policy() }
    }

    /// Every drive, page by page.
    fn pages(&self, options: Options) -> Values {
        let list = tuned!(self.drives.list(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    fn get(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.drives.get(name), options, self.policy))
    }

    fn create(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.drives.create(name), options, self.policy))
    }

    fn delete(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.drives.delete(name), options, self.policy))
    }
}

/// The images that sandboxes are made of.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Images {
    images: reveille::Images,
    policy: RetryPolicy,
}

/// Where the bytes of an image are.
#[derive(FromPyObject)]
enum Archive {
    Bytes(PyBackedBytes),
    Path(String),
}

#[pymethods]
impl Images {
    #[new]
    fn new(client: &Client) -> Self {
        Self { images: client.0.images(), policy: client.0.policy() }
    }

    /// Every image, page by page.
    fn pages(&self, options: Options) -> Values {
        let list = tuned!(self.images.list(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    fn import_(&self, name: &str, archive: Archive, options: Options) -> Call {
        let body = match archive {
            Archive::Bytes(bytes) => Body::from(Bytes::from_owner(bytes)),
            Archive::Path(path) => Body::file(path),
        };
        json(tuned!(self.images.import(name, body), options, self.policy))
    }

    fn delete(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.images.delete(name), options, self.policy))
    }
}
