use std::sync::Arc;

use http::Method;
use reveille_wire::{AppPath, InvalidInput, SandboxName, SandboxUrl};

use super::files::Files;
use super::{Drives, Network, Ports, Previews, Processes, Request, System};
use crate::answer::Reading;
use crate::call::{Call, Identity, Operation, Readiness, Target};
use crate::core::Core;
use crate::error::Error;
use crate::record::Site;

/// One sandbox. It is a handle: to make one sends nothing, and to clone it is cheap.
///
/// ```
/// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("awake"))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// let sandbox = client.sandbox("box");
/// let page = sandbox.network().fetch(3000, "/status").wait()?;
/// assert_eq!(page.text(), "awake");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    core: Arc<Core>,
    place: Place,
}

/// Where a sandbox is said to be.
#[derive(Clone, Debug)]
enum Place {
    Named(Result<SandboxName, InvalidInput>),
    At(Result<SandboxUrl, InvalidInput>, Identity),
}

impl Sandbox {
    pub(crate) fn named(core: Arc<Core>, name: Result<SandboxName, InvalidInput>) -> Self {
        Self { core, place: Place::Named(name) }
    }

    pub(crate) fn at(core: Arc<Core>, url: Result<SandboxUrl, InvalidInput>) -> Self {
        Self { core, place: Place::At(url, Identity::Nobody) }
    }

    /// Sends the client's credentials to the URL that was named in code, and so takes what answers there for
    /// the platform. A sandbox found by name has them anyway.
    #[must_use]
    pub fn authorized(mut self) -> Self {
        if let Place::At(_, identity) = &mut self.place {
            *identity = Identity::Client;
        }
        self
    }

    /// Where it answers: the base of its data plane, without a trailing slash.
    ///
    /// # Errors
    /// When its name or URL is none, or no workspace is set.
    pub fn url(&self) -> Result<String, Error> {
        self.resolved().map(|(url, _)| url.as_str().to_owned())
    }

    /// Wakes the sandbox, on any platform: the call ends when the sandbox has answered, whatever it said. A read.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Script, Step};
    /// # let server = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok("{}")))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// use std::time::Duration;
    ///
    /// client.sandbox("box").wake().deadline(Duration::from_secs(60)).wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wake(&self) -> Call<()> {
        Call::new(self.core(), self.endpoint(Method::GET, Ok("/health".to_owned())), Reading::sandbox())
    }

    /// A request to an endpoint of the sandbox's API that this crate has no method for; `path` with its query,
    /// below the sandbox. Below `/port/` it is one to an app, as by [`Network::fetch`].
    ///
    /// ```
    /// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("{}"))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// use reveille::{Method, Replay};
    ///
    /// let sandbox = client.sandbox("box");
    /// // A GET is a read, a POST a mutation, unless it is said otherwise.
    /// let found = sandbox.request(Method::GET, "/filesystem-find/src").query("patterns", "*.rs").wait()?;
    /// assert!(found.status().is_success() && !found.may_have_run());
    /// let asked = sandbox.request(Method::POST, "/novel/question").json(&["why"]).replay(Replay::Read).wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> Request {
        let path = AppPath::new(path.as_ref()).map(|path| path.to_string());
        let is_app = path.as_ref().is_ok_and(|path| path.starts_with("/port/"));
        let operation = if is_app { self.app(method, path) } else { self.endpoint(method, path) };
        Request::new(Arc::clone(&self.core), operation)
    }

    /// HTTP servers inside the sandbox.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::new(self.clone())
    }

    /// Drives that are mounted in it.
    #[must_use]
    pub fn drives(&self) -> Drives {
        Drives::new(self.clone())
    }

    /// The agent inside it.
    #[must_use]
    pub fn system(&self) -> System {
        System::new(self.clone())
    }

    /// Doors to its ports, each with a URL of its own.
    #[must_use]
    pub fn previews(&self) -> Previews {
        Previews::new(self.clone())
    }

    /// What it was at moments that somebody chose.
    #[must_use]
    pub fn snapshots(&self) -> super::SandboxSnapshots {
        super::SandboxSnapshots::new(self.clone())
    }

    /// A new sandbox that begins as this one is now. A mutation.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let server = FaultServer::start(Step::ok(r#"{"name":"other","type":"sandbox"}"#))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
    /// let other = client.sandbox("box").fork("other").env("MODE", "trial").wait()?;
    /// client.sandbox(other.name).processes().exec("./try-it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fork(&self, target: impl Into<String>) -> super::Fork {
        super::Fork::new(self.core(), self.record_operation(Method::POST, "/fork"), target)
    }

    /// Commands that it runs by the clock.
    #[must_use]
    pub fn schedules(&self) -> super::Schedules {
        super::Schedules::new(self.clone())
    }

    /// What its processes do on its network.
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports::new(self.clone())
    }

    /// Its files and directories.
    #[must_use]
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> Processes {
        Processes::new(self.clone())
    }

    /// Its tools, by the Model Context Protocol.
    #[must_use]
    pub fn mcp(&self) -> super::Mcp {
        super::Mcp::new(self.clone())
    }

    /// A shell at a terminal in it.
    #[cfg(feature = "terminal")]
    pub fn terminal(&self) -> super::OpenTerminal {
        super::OpenTerminal::new(self.clone())
    }

    pub(crate) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// An operation on what the control plane knows of it; `rest` is what follows its name.
    pub(crate) fn record_operation(&self, method: Method, rest: &str) -> Operation {
        let name = match &self.place {
            Place::Named(name) => name.clone().map_err(Error::from),
            Place::At(..) => {
                Err(Error::input("the platform knows a sandbox by its name, and this one has a URL"))
            }
        };
        match name {
            Ok(name) => {
                let path = format!("/sandboxes/{name}{rest}");
                Operation::new(
                    method,
                    Target::new(self.core.settings.api_url.as_str(), path, Site::ControlPlane),
                )
            }
            Err(error) => Operation::invalid(method, error),
        }
    }

    /// An operation of the agent's API.
    pub(crate) fn endpoint(&self, method: Method, path: Result<String, InvalidInput>) -> Operation {
        // What answers at a URL that only code names may be anybody, an app behind a preview among others.
        self.operation(method, path, |identity| match identity {
            Identity::Nobody => Site::App,
            _ => Site::Agent,
        })
    }

    /// A request to an app behind a port.
    pub(crate) fn app(&self, method: Method, path: Result<String, InvalidInput>) -> Operation {
        self.operation(method, path, |_| Site::App)
    }

    fn operation(
        &self,
        method: Method,
        path: Result<String, InvalidInput>,
        site: fn(Identity) -> Site,
    ) -> Operation {
        match self.resolved().and_then(|(url, identity)| Ok((url, identity, path?))) {
            Ok((url, identity, path)) => {
                let target = Target::new(url, path, site(identity));
                // An address that somebody typed is asked for nothing else.
                let readiness = match identity {
                    Identity::Client if self.is_named() => Readiness::OfTarget,
                    _ => Readiness::OfNothing,
                };
                Operation::new(method, target).identity(identity).readiness(readiness)
            }
            Err(error) => Operation::invalid(method, error),
        }
    }

    fn is_named(&self) -> bool {
        matches!(self.place, Place::Named(_))
    }

    fn resolved(&self) -> Result<(SandboxUrl, Identity), Error> {
        let name = match &self.place {
            Place::At(url, identity) => return Ok((url.clone()?, *identity)),
            Place::Named(Ok(name)) => name,
            Place::Named(Err(invalid)) => return Err(invalid.clone().into()),
        };
        if let Some(forced) = self.core.settings.forced_url(name) {
            return Ok((SandboxUrl::new(forced)?, Identity::ClientIfAny));
        }
        Ok((self.core.sandbox_url(name)?, Identity::Client))
    }
}
