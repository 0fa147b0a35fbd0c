//! Snapshots, and sandboxes that begin as others.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use reveille::{Fork, RetryPolicy};

use crate::call::Call;
use crate::client::Client;
use crate::sandbox::Sandbox;
use crate::value::{Options, Values, as_json, json, nothing, tuned};

/// What a fork has beside what it begins as.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct AsWell {
    env: BTreeMap<String, String>,
    port: Option<u16>,
}

impl AsWell {
    pub(crate) fn added_to(self, fork: Fork) -> Fork {
        let fork = self.env.into_iter().fold(fork, |fork, (name, value)| fork.env(name, value));
        self.port.into_iter().fold(fork, Fork::port)
    }
}

/// The snapshots of a sandbox.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct SandboxSnapshots {
    snapshots: reveille::SandboxSnapshots,
    policy: RetryPolicy,
}

#[pymethods]
impl SandboxSnapshots {
    #[new]
    fn new(sandbox: &Sandbox) -> Self {
        Self { snapshots: sandbox.sandbox.snapshots(), policy: sandbox.policy }
    }

    fn create(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.snapshots.create(name), options, self.policy))
    }

    fn list(&self, options: Options) -> Call {
        json(tuned!(self.snapshots.list(), options, self.policy))
    }

    fn restore(&self, snapshot: &str, options: Options) -> Call {
        json(tuned!(self.snapshots.restore(snapshot), options, self.policy))
    }

    fn delete(&self, snapshot: &str, options: Options) -> Call {
        nothing(tuned!(self.snapshots.delete(snapshot), options, self.policy))
    }
}

/// The snapshots of a workspace.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Snapshots {
    snapshots: reveille::Snapshots,
    policy: RetryPolicy,
}

#[pymethods]
impl Snapshots {
    #[new]
    fn new(client: &Client) -> Self {
        Self { snapshots: client.0.snapshots(), policy: client.0.policy() }
    }

    /// Every snapshot, page by page.
    fn pages(&self, options: Options) -> Values {
        let list = tuned!(self.snapshots.list(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    fn get(&self, id: &str, options: Options) -> Call {
        json(tuned!(self.snapshots.get(id), options, self.policy))
    }

    fn fork(&self, id: &str, target: &str, as_well: AsWell, options: Options) -> Call {
        json(tuned!(as_well.added_to(self.snapshots.fork(id, target)), options, self.policy))
    }

    fn delete(&self, id: &str, options: Options) -> Call {
        nothing(tuned!(self.snapshots.delete(id), options, self.policy))
    }
}
