//! The sandboxes of a workspace.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use reveille::{List, RetryPolicy, SandboxOrder, SandboxRecord};

use crate::call::Call;
use crate::client::Client;
use crate::value::{Options, Values, as_json, json, tuned};

/// Makes, finds, lists and deletes sandboxes.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Sandboxes {
    sandboxes: reveille::Sandboxes,
    policy: RetryPolicy,
}

/// What is said of a sandbox that is to be made.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Wanted {
    if_missing: bool,
    image: Option<String>,
    memory: Option<u64>,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    ports: Vec<u16>,
    ttl: Option<String>,
    expires: Option<String>,
    region: Option<String>,
    labels: BTreeMap<String, String>,
    external_id: Option<String>,
    display_name: Option<String>,
    volumes: BTreeMap<String, String>,
}

/// What is said of a list.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Filter {
    search: Option<String>,
    status: Option<String>,
    external_id: Option<String>,
    sort: Option<String>,
    page_size: Option<u32>,
    with_terminated: bool,
}

impl Wanted {
    fn of(self, mut make: reveille::CreateSandbox) -> reveille::CreateSandbox {
        if self.if_missing {
            make = make.if_missing();
        }
        make = self.image.into_iter().fold(make, reveille::CreateSandbox::image);
        make = self.memory.into_iter().fold(make, reveille::CreateSandbox::memory);
        make = self.env.into_iter().fold(make, |make, (name, value)| make.env(name, value));
        make = self.secrets.into_iter().fold(make, |make, (name, value)| make.secret(name, value));
        make = self.ports.into_iter().fold(make, reveille::CreateSandbox::port);
        make = self.ttl.into_iter().fold(make, reveille::CreateSandbox::ttl);
        make = self.expires.into_iter().fold(make, reveille::CreateSandbox::expires);
        make = self.region.into_iter().fold(make, reveille::CreateSandbox::region);
        make = self.labels.into_iter().fold(make, |make, (key, value)| make.label(key, value));
        make = self.external_id.into_iter().fold(make, reveille::CreateSandbox::external_id);
        make = self.display_name.into_iter().fold(make, reveille::CreateSandbox::display_name);
        self.volumes.into_iter().fold(make, |make, (path, name)| make.volume(name, path))
    }
}

impl Filter {
    fn of(self, mut list: List<SandboxRecord>) -> PyResult<List<SandboxRecord>> {
        if let Some(text) = self.search {
            list = list.search(text);
        }
        if let Some(statuses) = self.status {
            list = list.status(statuses);
        }
        if let Some(id) = self.external_id {
            list = list.external_id(id);
        }
        if let Some(order) = self.sort {
            list = list.sort(match order.as_str() {
                "newest" => SandboxOrder::Newest,
                "oldest" => SandboxOrder::Oldest,
                "name" => SandboxOrder::Name,
                "-name" => SandboxOrder::NameDescending,
                _ => {
                    let said = format!("{order:?} is no order: newest, oldest, name or -name");
                    return Err(pyo3::exceptions::PyValueError::new_err(said));
                }
            });
        }
        if let Some(most) = self.page_size {
            list = list.limit(most);
        }
        Ok(if self.with_terminated { list.with_terminated() } else { list })
    }
}

#[pymethods]
impl Sandboxes {
    #[new]
    fn new(client: &Client) -> Self {
        Self { sandboxes: client.0.sandboxes(), policy: client.0.policy() }
    }

    fn create(&self, name: &str, wanted: Wanted, options: Options) -> Call {
        json(tuned!(wanted.of(self.sandboxes.create(name)), options, self.policy))
    }

    fn get(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.sandboxes.get(name), options, self.policy))
    }

    /// Every sandbox, page by page.
    fn pages(&self, filter: Filter, options: Options) -> PyResult<Values> {
        let list = tuned!(filter.of(self.sandboxes.list())?, options, self.policy);
        Ok(Values::of(list.pages(), |page, py| as_json(&page.data, py)))
    }

    fn delete(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.sandboxes.delete(name), options, self.policy))
    }

    fn sleep(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.sandboxes.sleep(name), options, self.policy))
    }
}
