use std::sync::Arc;

use http::Method;
use reveille_wire::{EnvVar, Every, ForkSpec, Forked, Restored, SandboxName, Snapshot};
use serde_json::json;

use super::storage::Records;
use super::{List, Sandbox};
use crate::answer::Reading;
use crate::call::{Call, Operation, like_a_call, segment};
use crate::core::Core;
use crate::error::Error;

/// The snapshots of one sandbox: what it was at moments that somebody chose. A local host keeps the files, the platform
/// memory and processes, too.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let snapshot = r#"{"id":"snap-1","name":"clean","status":"ready"}"#;
/// # let script = Script::new()
/// #     .on("POST", "/sandboxes/box/snapshots/clean/restore", Step::ok(r#"{"name":"box","snapshotId":"snap-1"}"#))
/// #     .on("GET", "/sandboxes/box/snapshots", Step::ok(format!("[{snapshot}]")))
/// #     .on("*", "/", Step::ok(snapshot));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let snapshots = client.sandbox("box").snapshots();
/// snapshots.create("clean").wait()?;
/// // ... something that went wrong ...
/// snapshots.restore("clean").wait()?;
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// for snapshot in snapshots.list().await? {
///     println!("{} {}", snapshot.id, snapshot.status);
/// }
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SandboxSnapshots(Sandbox);

impl SandboxSnapshots {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// Takes one of this name; an empty name leaves the name to the platform. A mutation.
    pub fn create(&self, name: impl AsRef<str>) -> Call<Snapshot> {
        let operation = self.0.record_operation(Method::POST, "/snapshots");
        let wanted = match name.as_ref() {
            "" => json!({}),
            name => json!({ "name": name }),
        };
        Call::json(self.0.core(), operation.json(&wanted))
    }

    /// All of them. A read, which wakes nothing.
    pub fn list(&self) -> Call<Vec<Snapshot>> {
        let mut operation = self.0.record_operation(Method::GET, "/snapshots");
        operation.accept_json();
        Call::new(self.0.core(), operation, Reading::json_as(|Every(all)| all))
    }

    /// Puts the sandbox back to one of them, by its name or its id: what came after is lost. A mutation.
    pub fn restore(&self, snapshot: impl AsRef<str>) -> Call<Restored> {
        Call::json(self.0.core(), self.of(Method::POST, snapshot.as_ref(), "/restore"))
    }

    /// Deletes one, by its name or its id. A mutation.
    pub fn delete(&self, snapshot: impl AsRef<str>) -> Call<()> {
        Call::empty(self.0.core(), self.of(Method::DELETE, snapshot.as_ref(), ""))
    }

    fn of(&self, method: Method, snapshot: &str, rest: &str) -> Operation {
        match segment("snapshot", snapshot) {
            Ok(part) => self.0.record_operation(method, &format!("/snapshots/{part}{rest}")),
            Err(invalid) => Operation::invalid(method, invalid),
        }
    }
}

/// The snapshots of a workspace: those of sandboxes that are no more, too.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let snapshot = r#"{"id":"snap-1","name":"clean","status":"ready","source":{"name":"box","deleted":true}}"#;
/// # let script = Script::new()
/// #     .on("GET", "/snapshots?", Step::ok(format!(r#"{{"data":[{snapshot}],"meta":{{"hasMore":false}}}}"#)))
/// #     .on("POST", "/snapshots/snap-1/fork", Step::ok(r#"{"name":"again","type":"sandbox"}"#))
/// #     .on("*", "/", Step::ok(snapshot));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let snapshots = client.snapshots();
/// for snapshot in snapshots.list().limit(20).wait()?.data {
///     println!("{} of {:?}", snapshot.name, snapshot.source);
/// }
/// let made = snapshots.fork("snap-1", "again").env("MODE", "retry").wait()?;
/// assert_eq!(made.name, "again");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshots(Records);

impl Snapshots {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(Records::new(core, "/snapshots"))
    }

    /// A page of them, or all of them by [`List::pages`]. A read.
    pub fn list(&self) -> List<Snapshot> {
        self.0.list()
    }

    /// One of them. A read.
    pub fn get(&self, id: impl AsRef<str>) -> Call<Snapshot> {
        Call::json(self.0.core(), self.of(Method::GET, id.as_ref(), ""))
    }

    /// Makes a new sandbox that begins as one of them. A mutation.
    pub fn fork(&self, id: impl AsRef<str>, target: impl Into<String>) -> Fork {
        Fork::new(self.0.core(), self.of(Method::POST, id.as_ref(), "/fork"), target)
    }

    /// Deletes one. A mutation.
    pub fn delete(&self, id: impl AsRef<str>) -> Call<()> {
        Call::empty(self.0.core(), self.of(Method::DELETE, id.as_ref(), ""))
    }

    fn of(&self, method: Method, id: &str, rest: &str) -> Operation {
        self.0.below(method, ("snapshot", id), rest)
    }
}

/// A new sandbox that is to begin as another one; by [`Sandbox::fork`](crate::Sandbox::fork) or [`Snapshots::fork`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Fork {
    call: Call<Forked>,
    spec: ForkSpec,
}

impl Fork {
    pub(super) fn new(core: Arc<Core>, mut operation: Operation, target: impl Into<String>) -> Self {
        let mut spec = ForkSpec::default();
        "sandbox".clone_into(&mut spec.target_type);
        match SandboxName::new(target) {
            Ok(name) => name.as_str().clone_into(&mut spec.target_name),
            Err(invalid) => operation.refuse(Error::from(invalid)),
        }
        Self { call: Call::json(core, operation), spec }
    }

    /// It begins as this snapshot, by its id, instead of as the sandbox is now.
    pub fn snapshot(mut self, id: impl Into<String>) -> Self {
        self.spec.snapshot_id = Some(id.into());
        self
    }

    /// A variable beside those that it begins with, or in place of one; may be said again.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.envs.push(EnvVar { name: name.into(), value: value.into(), secret: None });
        self
    }

    /// A port that it serves.
    pub fn port(mut self, port: u16) -> Self {
        self.spec.port = Some(port);
        self
    }

    fn into_call(mut self) -> Call<Forked> {
        self.call.operation = self.call.operation.json(&self.spec);
        self.call
    }
}

like_a_call!(Fork => Forked);
