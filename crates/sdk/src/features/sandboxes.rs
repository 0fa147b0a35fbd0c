use std::sync::Arc;

use http::Method;
use reveille_wire::{EnvVar, PortSpec, Sandbox as Record, SandboxList, SandboxName, SandboxRuntime};

use crate::call::{Call, Operation, Target, like_a_call};
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
        CreateSandbox { call, record }
    }

    /// What the platform knows of a sandbox. A read, which wakes nothing.
    pub fn get(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::GET, name, "")
    }

    /// One page of the sandboxes. A read.
    pub fn list(&self) -> ListSandboxes {
        ListSandboxes { call: Call::json(Arc::clone(&self.0), Operation::new(Method::GET, self.at(""))) }
    }

    /// Deletes a sandbox. A mutation.
    pub fn delete(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::DELETE, name, "")
    }

    /// Puts a sandbox to standby at once. A mutation. Only the local host knows it: the platform decides by
    /// itself when a sandbox sleeps.
    pub fn sleep(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::POST, name, "/standby")
    }

    /// Wakes a sandbox. A mutation. Only the local host knows it: elsewhere any read of the sandbox does it,
    /// for example [`health`](crate::System::health).
    pub fn wake(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::POST, name, "/resume")
    }

    fn of(&self, method: Method, name: impl Into<String>, rest: &str) -> Call<Record> {
        let operation = match SandboxName::new(name) {
            Ok(name) => Operation::new(method, self.at(&format!("/{name}{rest}"))),
            Err(invalid) => Operation::invalid(method, invalid),
        };
        Call::json(Arc::clone(&self.0), operation)
    }

    fn at(&self, rest: &str) -> Target {
        Target::new(self.0.settings.api_url.as_str(), format!("/sandboxes{rest}"), Site::ControlPlane)
    }
}

/// A sandbox that is to be made; by [`Sandboxes::create`].
///
/// What it cannot say is said by [`Client::request`](crate::Client::request).
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct CreateSandbox {
    call: Call<Record>,
    record: Record,
}

impl CreateSandbox {
    /// The image that it is made of.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.runtime().image = Some(image.into());
        self
    }

    /// How much memory it has, in MB.
    pub fn memory(mut self, megabytes: u64) -> Self {
        self.runtime().memory = Some(megabytes);
        self
    }

    /// A variable in the environment of its processes; may be said again.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let var = EnvVar { name: name.into(), value: value.into(), secret: None };
        self.runtime().envs.push(var);
        self
    }

    /// The same, whose value the platform shows to nobody.
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let var = EnvVar { name: name.into(), value: value.into(), secret: Some(true) };
        self.runtime().envs.push(var);
        self
    }

    /// A port that it serves; may be said again.
    pub fn port(mut self, port: u16) -> Self {
        let mut spec = PortSpec::default();
        spec.target = port;
        self.runtime().ports.push(spec);
        self
    }

    /// How long it lives: `30m`, `24h`, `7d`.
    pub fn ttl(mut self, ttl: impl Into<String>) -> Self {
        self.runtime().ttl = Some(ttl.into());
        self
    }

    /// Until when it lives, RFC 3339.
    pub fn expires(mut self, moment: impl Into<String>) -> Self {
        self.runtime().expires = Some(moment.into());
        self
    }

    /// Where it runs, instead of the client's region.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.record.spec.region = Some(region.into());
        self
    }

    /// A label; may be said again.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.record.metadata.labels.insert(key.into(), value.into());
        self
    }

    /// The caller's own name for it, at most 64 letters.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.record.metadata.external_id = Some(id.into());
        self
    }

    fn runtime(&mut self) -> &mut SandboxRuntime {
        self.record.spec.runtime.get_or_insert_default()
    }

    fn into_call(mut self) -> Call<Record> {
        self.call.operation = self.call.operation.json(&self.record);
        self.call
    }
}

like_a_call!(CreateSandbox => Record);

/// A page of sandboxes that is to be read; by [`Sandboxes::list`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct ListSandboxes {
    call: Call<SandboxList>,
}

impl ListSandboxes {
    /// The page that begins here: `next_cursor` of the page before.
    pub fn cursor(mut self, cursor: impl AsRef<str>) -> Self {
        self.call.operation.query("cursor", cursor.as_ref());
        self
    }

    /// How many sandboxes a page has at the most; the server's default is 50.
    pub fn limit(mut self, limit: u32) -> Self {
        self.call.operation.query("limit", &limit.to_string());
        self
    }

    fn into_call(self) -> Call<SandboxList> {
        self.call
    }
}

like_a_call!(ListSandboxes => SandboxList);
