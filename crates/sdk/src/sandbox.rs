use http::Method;
use reveille_wire::{InvalidInput, SandboxName, SandboxUrl};

use crate::client::Client;
use crate::drives::Drives;
use crate::error::Error;
use crate::network::Network;
use crate::operation::{Identity, Operation, Target};
use crate::processes::Processes;
use crate::system::System;

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
    client: Client,
    place: Place,
}

/// Where a sandbox is said to be.
#[derive(Clone, Debug)]
enum Place {
    Named(Result<SandboxName, InvalidInput>),
    At(Result<SandboxUrl, InvalidInput>, Identity),
}

impl Sandbox {
    pub(crate) fn named(client: Client, name: Result<SandboxName, InvalidInput>) -> Self {
        Self { client, place: Place::Named(name) }
    }

    pub(crate) fn at(client: Client, url: Result<SandboxUrl, InvalidInput>) -> Self {
        Self { client, place: Place::At(url, Identity::Nobody) }
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

    /// The client that it was made by.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where it answers: the base of its data plane.
    ///
    /// # Errors
    /// When its name or URL is none, or no workspace is set.
    pub fn url(&self) -> Result<SandboxUrl, Error> {
        self.resolved().map(|(url, _)| url)
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

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> Processes {
        Processes::new(self.clone())
    }

    /// An operation of the agent's API.
    pub(crate) fn endpoint(&self, method: Method, path: Result<String, InvalidInput>) -> Operation {
        // What answers at a URL that only code names may be anybody, an app behind a preview among others.
        self.operation(method, path, |url, path, identity| match identity {
            Identity::Nobody => Target::App(url, path),
            Identity::Client | Identity::ClientIfAny => Target::Endpoint(url, path),
        })
    }

    /// A request to an app behind a port.
    pub(crate) fn app(&self, method: Method, path: Result<String, InvalidInput>) -> Operation {
        self.operation(method, path, |url, path, _| Target::App(url, path))
    }

    fn operation(
        &self,
        method: Method,
        path: Result<String, InvalidInput>,
        target: fn(SandboxUrl, String, Identity) -> Target,
    ) -> Operation {
        let resolved = self.resolved().and_then(|(url, identity)| Ok((url, identity, path?)));
        match resolved {
            Ok((url, identity, path)) => {
                Operation::new(method, target(url, path, identity)).identity(identity)
            }
            Err(error) => Operation::invalid(method, error),
        }
    }

    fn resolved(&self) -> Result<(SandboxUrl, Identity), Error> {
        let name = match &self.place {
            Place::At(url, identity) => return Ok((url.clone()?, *identity)),
            Place::Named(name) => name.clone()?,
        };
        let settings = self.client.settings();
        if let Some(forced) = settings.forced_url(&name) {
            return Ok((SandboxUrl::new(forced)?, Identity::ClientIfAny));
        }
        let workspace = settings.workspace.as_deref().ok_or_else(Error::no_workspace)?;
        Ok((SandboxUrl::on_platform(&settings.run_url, workspace, &name)?, Identity::Client))
    }
}
