//! What sandboxes run by the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use reveille::{CreateSchedule, RetryPolicy, When};

use crate::call::Call;
use crate::client::Client;
use crate::sandbox::Sandbox;
use crate::value::{Options, Values, as_json, json, tuned};

/// What is said of a schedule that is to be made.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Wanted {
    cron: Option<String>,
    at: Option<String>,
    after: Option<f64>,
    id: Option<String>,
    name: Option<String>,
    cwd: Option<String>,
    env: BTreeMap<String, String>,
    timeout: Option<u32>,
    keep_alive: bool,
    remembered: Option<u32>,
}

impl Wanted {
    fn when(&self) -> PyResult<When> {
        let wrong = |said: &'static str| PyValueError::new_err(said);
        match (&self.cron, &self.at, self.after) {
            (Some(cron), None, None) => Ok(When::cron(cron)),
            (None, Some(at), None) => Ok(When::at(at)),
            (None, None, Some(after)) => Duration::try_from_secs_f64(after)
                .map(When::after)
                .map_err(|_| wrong("after is a number of seconds, and not below 0")),
            _ => Err(wrong("say when: one of cron, at and after")),
        }
    }

    fn of(self, mut make: CreateSchedule) -> CreateSchedule {
        make = self.id.into_iter().fold(make, CreateSchedule::id);
        make = self.name.into_iter().fold(make, CreateSchedule::process_name);
        make = self.cwd.into_iter().fold(make, CreateSchedule::working_dir);
        make = self.env.into_iter().fold(make, |make, (name, value)| make.env(name, value));
        make = self.timeout.into_iter().fold(make, CreateSchedule::timeout);
        make = self.remembered.into_iter().fold(make, CreateSchedule::remembered);
        if self.keep_alive { make } else { make.may_sleep() }
    }
}

/// The schedules of a sandbox.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Schedules {
    schedules: reveille::Schedules,
    policy: RetryPolicy,
}

#[pymethods]
impl Schedules {
    #[new]
    fn new(sandbox: &Sandbox) -> Self {
        Self { schedules: sandbox.sandbox.schedules(), policy: sandbox.policy }
    }

    /// Every schedule, page by page.
    fn pages(&self, options: Options) -> Values {
        let list = tuned!(self.schedules.list(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    /// Every execution, page by page.
    fn executions(&self, schedule: Option<&str>, options: Options) -> Values {
        let mut list = tuned!(self.schedules.executions(), options, self.policy);
        if let Some(id) = schedule {
            list = list.schedule(id);
        }
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    fn get(&self, id: &str, options: Options) -> Call {
        json(tuned!(self.schedules.get(id), options, self.policy))
    }

    fn create(&self, command: &str, wanted: Wanted, options: Options) -> PyResult<Call> {
        let make = self.schedules.create(wanted.when()?, command);
        Ok(json(tuned!(wanted.of(make), options, self.policy)))
    }

    fn delete(&self, id: &str, options: Options) -> Call {
        json(tuned!(self.schedules.delete(id), options, self.policy))
    }
}

/// The schedules of a workspace.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct WorkspaceSchedules {
    schedules: reveille::WorkspaceSchedules,
    policy: RetryPolicy,
}

#[pymethods]
impl WorkspaceSchedules {
    #[new]
    fn new(client: &Client) -> Self {
        Self { schedules: client.0.schedules(), policy: client.0.policy() }
    }

    /// Every schedule, page by page.
    fn pages(&self, options: Options) -> Values {
        let list = tuned!(self.schedules.list(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }

    /// Every execution, page by page.
    fn executions(&self, options: Options) -> Values {
        let list = tuned!(self.schedules.executions(), options, self.policy);
        Values::of(list.pages(), |page, py| as_json(&page.data, py))
    }
}
