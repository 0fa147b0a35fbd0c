use std::sync::Arc;

use http::Method;
use reveille_wire::{InvalidInput, Sandbox as Record, SandboxName};

use super::{CreateSandbox, List};
use crate::call::{Call, Operation, Readiness, Target, segment};
use crate::core::Core;
use crate::record::Site;

/// The sandboxes of a workspace.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let script = Script::new()
/// #     .on("GET", "/sandboxes?", Step::ok(r#"{"data":[{"metadata":{"name":"box"}}],"meta":{"hasMore":false}}"#))
/// #     .on("*", "/", Step::ok(r#"{"metadata":{"name":"box"},"status":"DEPLOYED"}"#));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let made = client.sandboxes().create("box").memory(4096).env("LANG", "C").ttl("24h").wait()?;
/// assert_eq!(made.metadata.name, "box");
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let page = client.sandboxes().list().limit(10).await?;
/// for sandbox in page.data {
///     println!("{}", sandbox.metadata.name);
/// }
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sandboxes(Arc<Core>);

impl Sandboxes {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(core)
    }

    /// Makes a sandbox of this name, as the platform makes them by default until told otherwise. A mutation.
    pub fn create(&self, name: impl Into<String>) -> CreateSandbox {
        let mut call = Call::json(Arc::clone(&self.0), Operation::new(Method::POST, self.at("")));
        let mut record = Record::default();
        match SandboxName::new(name) {
            Ok(name) => name.as_str().clone_into(&mut record.metadata.name),
            Err(invalid) => call.operation.refuse(invalid),
        }
        record.spec.region.clone_from(&self.0.settings.region);
        CreateSandbox::new(call, record)
    }

    /// What the platform knows of a sandbox. A read, which wakes nothing.
    pub fn get(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::GET, name, "")
    }

    /// The same of the sandbox that the caller knows by this name. A read.
    pub fn get_by_external_id(&self, id: impl AsRef<str>) -> Call<Record> {
        let operation = match segment("external id", id.as_ref()) {
            Ok(id) => Operation::new(Method::GET, self.at(&format!("/by-external-id/{id}"))),
            Err(invalid) => Operation::invalid(Method::GET, invalid),
        };
        Call::json(Arc::clone(&self.0), operation)
    }

    /// A page of them, or all of them by [`List::pages`]. A read.
    pub fn list(&self) -> List<Record> {
        let call = Call::json(Arc::clone(&self.0), Operation::new(Method::GET, self.at("")));
        List::new(call)
    }

    /// Makes a sandbox what its record says. Names, labels, lifetimes and the network change while it runs; other
    /// variables, or another image, start it anew with fresh files, as on the platform. A mutation.
    pub fn update(&self, record: &Record) -> Call<Record> {
        let mut call = self.of(Method::PUT, record.metadata.name.as_str(), "");
        call.operation = call.operation.json(record);
        call
    }

    /// Deletes a sandbox. A mutation.
    pub fn delete(&self, name: impl Into<String>) -> Call<Record> {
        self.ending(Method::DELETE, name, "")
    }

    /// Puts a sandbox to standby at once. A mutation. Only the local host knows it: the platform decides by
    /// itself when a sandbox sleeps.
    pub fn sleep(&self, name: impl Into<String>) -> Call<Record> {
        self.ending(Method::POST, name, "/standby")
    }

    /// Wakes a sandbox. A mutation. Only the local host knows it; [`Sandbox::wake`](crate::Sandbox::wake) works
    /// everywhere.
    pub fn wake(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::POST, name, "/resume")
    }

    fn of(&self, method: Method, name: impl Into<String>, rest: &str) -> Call<Record> {
        self.call(method, SandboxName::new(name), rest)
    }

    /// A call after which the sandbox sleeps, or is no more: the other calls of this client are to know.
    fn ending(&self, method: Method, name: impl Into<String>, rest: &str) -> Call<Record> {
        let name = SandboxName::new(name);
        let url = name.as_ref().ok().and_then(|name| self.0.sandbox_url(name).ok());
        let mut call = self.call(method, name, rest);
        if let Some(url) = url {
            call.operation = call.operation.readiness(Readiness::Ends(url.as_str().to_owned()));
        }
        call
    }

    fn call(&self, method: Method, name: Result<SandboxName, InvalidInput>, rest: &str) -> Call<Record> {
        let operation = match name {
            Ok(name) => Operation::new(method, self.at(&format!("/{name}{rest}"))),
            Err(invalid) => Operation::invalid(method, invalid),
        };
        Call::json(Arc::clone(&self.0), operation)
    }

    fn at(&self, rest: &str) -> Target {
        Target::new(self.0.settings.api_url.as_str(), format!("/sandboxes{rest}"), Site::ControlPlane)
    }
}
