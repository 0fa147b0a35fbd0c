use http::Method;
use reveille_retry::Replay;
use reveille_wire::{Sandbox as Record, SandboxList, SandboxName};

use crate::call::{Call, like_a_call};
use crate::client::Client;
use crate::operation::{Operation, Target};

/// The sandboxes of a workspace.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let script = Script::new()
/// #     .on("GET", "/sandboxes?", Step::ok(r#"{"data":[{"metadata":{"name":"box"}}],"meta":{"hasMore":false}}"#))
/// #     .on("*", "/", Step::ok(r#"{"metadata":{"name":"box"},"status":"DEPLOYED"}"#));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// use reveille::wire;
///
/// let mut wanted = wire::Sandbox::default();
/// wanted.metadata.name = "box".to_owned();
/// let made = client.sandboxes().create(&wanted).wait()?;
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
pub struct Sandboxes(Client);

impl Sandboxes {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// Makes a sandbox; in the client's region, where it names none itself. A mutation.
    pub fn create(&self, sandbox: &Record) -> Call<Record> {
        let operation = Operation::new(Method::POST, Target::Control("/sandboxes".to_owned()));
        let operation = match &self.0.settings().region {
            Some(region) if sandbox.spec.region.is_none() => {
                let mut placed = sandbox.clone();
                placed.spec.region = Some(region.clone());
                operation.json(&placed)
            }
            _ => operation.json(sandbox),
        };
        Call::json(self.0.clone(), operation)
    }

    /// What the platform knows of a sandbox. A read, which wakes nothing.
    pub fn get(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::GET, name, "", Replay::Read)
    }

    /// One page of the sandboxes. A read.
    pub fn list(&self) -> ListSandboxes {
        let operation = Operation::new(Method::GET, Target::Control("/sandboxes".to_owned()));
        ListSandboxes { call: Call::json(self.0.clone(), operation.replay(Replay::Read)) }
    }

    /// Deletes a sandbox. A mutation.
    pub fn delete(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::DELETE, name, "", Replay::Never)
    }

    /// Puts a sandbox to standby at once. A mutation. Only the local host knows it: the platform decides by
    /// itself when a sandbox sleeps.
    pub fn sleep(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::POST, name, "/standby", Replay::Never)
    }

    /// Wakes a sandbox. A mutation. Only the local host knows it: elsewhere any read of the sandbox does it,
    /// for example [`health`](crate::System::health).
    pub fn wake(&self, name: impl Into<String>) -> Call<Record> {
        self.of(Method::POST, name, "/resume", Replay::Never)
    }

    fn of(&self, method: Method, name: impl Into<String>, rest: &str, replay: Replay) -> Call<Record> {
        let operation = match SandboxName::new(name) {
            Ok(name) => Operation::new(method, Target::Control(format!("/sandboxes/{name}{rest}"))),
            Err(invalid) => Operation::invalid(method, invalid),
        };
        Call::json(self.0.clone(), operation.replay(replay))
    }
}

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
