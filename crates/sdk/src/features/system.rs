use http::Method;
use reveille_wire::{Health, UpgradeAccepted, UpgradeRequest};

use super::Sandbox;
use crate::call::{Call, like_a_call};

/// The agent inside a sandbox.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let script = Script::new()
/// #     .on("GET", "/", Step::ok(r#"{"status":"ok","version":"0.2.29"}"#))
/// #     .on("POST", "/", Step::ok(r#"{"message":"upgrading","version":"0.2.30"}"#));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// let system = client.sandbox("box").system();
/// let health = system.health().wait()?;
/// assert_eq!(health.status, "ok");
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let accepted = system.upgrade().version("0.2.30").await?;
/// # assert_eq!(accepted.version, "0.2.30");
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct System(Sandbox);

impl System {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// How the agent is. A read, so that it wakes a sandbox that is asleep.
    pub fn health(&self) -> Call<Health> {
        let operation = self.0.endpoint(Method::GET, Ok("/health".to_owned()));
        Call::json(self.0.core(), operation)
    }

    /// Upgrades the agent, by default to the latest version. It answers at once and upgrades in the
    /// background; [`health`](Self::health) tells how it went. A mutation.
    pub fn upgrade(&self) -> Upgrade {
        let operation = self.0.endpoint(Method::POST, Ok("/upgrade".to_owned()));
        Upgrade { call: Call::json(self.0.core(), operation), request: UpgradeRequest::default() }
    }
}

/// An upgrade that is to be made; by [`System::upgrade`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Upgrade {
    call: Call<UpgradeAccepted>,
    request: UpgradeRequest,
}

impl Upgrade {
    /// Upgrades to this version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.request.version = Some(version.into());
        self
    }

    /// Takes it from this URL.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.request.base_url = Some(url.into());
        self
    }

    fn into_call(mut self) -> Call<UpgradeAccepted> {
        self.call.operation = self.call.operation.json(&self.request);
        self.call
    }
}

like_a_call!(Upgrade => UpgradeAccepted);
