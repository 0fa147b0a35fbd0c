//! The face: it makes handles, and nothing below it knows of it.

mod builder;

use std::fmt;
use std::sync::Arc;

use http::Method;
use reveille_retry::RetryPolicy;
use reveille_wire::{AppPath, SandboxName, SandboxUrl};

pub use builder::ClientBuilder;

use crate::call::{Operation, Target};
use crate::core::settings::Origin;
use crate::core::transport::ConnectionLimits;
use crate::core::{Body, Core};
use crate::error::Error;
use crate::features::{
    Forward, Images, Plane, Request, Sandbox, Sandboxes, Snapshots, Volumes, WorkspaceDrives,
    WorkspaceSchedules,
};
use crate::record::Site;

/// The way to the platform, or to the local host. It is cheap to clone, and may be used from any number of
/// threads and runtimes.
///
/// ```
/// use reveille::Client;
///
/// let client = Client::builder().api_key("my-key").workspace("acme").build()?;
/// assert_eq!(client.workspace(), Some("acme"));
/// let sandbox = client.sandbox("box");        // a handle: nothing is sent
/// # Ok::<(), reveille::Error>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Core>);

impl Client {
    /// A client by the environment (`BL_API_KEY`, `BL_WORKSPACE`, ...), the platform's config file
    /// (`~/.blaxel/config.yaml`), or the local host that is running.
    ///
    /// A missing key or workspace is an error of the call that needs it.
    ///
    /// # Errors
    /// When a URL in the settings is none.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// A client whose settings are named in code. What is not named comes from where
    /// [`from_env`](Self::from_env) takes it.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same client with connections of its own, so many. What is known of sandboxes, and tokens, both go on sharing.
    ///
    /// ```
    /// use reveille::{Client, ConnectionLimits};
    ///
    /// let client = Client::builder().api_key("k").workspace("w").build()?;
    /// let narrow = client.with_limits(ConnectionLimits::new().max(2));
    /// # Ok::<(), reveille::Error>(())
    /// ```
    #[must_use]
    pub fn with_limits(&self, limits: ConnectionLimits) -> Self {
        Self(Arc::new(self.0.with_limits(limits)))
    }

    /// The sandbox of this name. A name that is none is an error of the call that uses the handle.
    ///
    /// It answers at the URL that the environment forces (`BL_SANDBOXES_<NAME>_URL`, then
    /// `BL_SANDBOX_<NAME>_URL`; upper case, `-` as `_`), or at `{run}/{workspace}/sandboxes/{name}`.
    #[must_use]
    pub fn sandbox(&self, name: impl Into<String>) -> Sandbox {
        Sandbox::named(Arc::clone(&self.0), SandboxName::new(name))
    }

    /// The sandbox at this URL, as it is. No credentials are sent there, unless
    /// [`authorized`](Sandbox::authorized) says so.
    #[must_use]
    pub fn sandbox_at(&self, url: impl AsRef<str>) -> Sandbox {
        Sandbox::at(Arc::clone(&self.0), SandboxUrl::new(url.as_ref()))
    }

    /// The sandboxes of the workspace: to make, find, list and delete them.
    #[must_use]
    pub fn sandboxes(&self) -> Sandboxes {
        Sandboxes::new(Arc::clone(&self.0))
    }

    /// The volumes of the workspace.
    #[must_use]
    pub fn volumes(&self) -> Volumes {
        Volumes::new(Arc::clone(&self.0))
    }

    /// The snapshots of the workspace.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(Arc::clone(&self.0))
    }

    /// What the sandboxes of the workspace run by the clock.
    #[must_use]
    pub fn schedules(&self) -> WorkspaceSchedules {
        WorkspaceSchedules::new(Arc::clone(&self.0))
    }

    /// The drives of the workspace.
    #[must_use]
    pub fn drives(&self) -> WorkspaceDrives {
        WorkspaceDrives::new(Arc::clone(&self.0))
    }

    /// The images that sandboxes are made of.
    #[must_use]
    pub fn images(&self) -> Images {
        Images::new(Arc::clone(&self.0))
    }

    /// A request to an endpoint of the control plane that this crate has no method for; `path` with its query,
    /// below [`api_url`](Self::api_url).
    ///
    /// ```
    /// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok(r#"{"features":{}}"#))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
    /// use reveille::Method;
    ///
    /// let features = client.request(Method::GET, "/features").wait()?.error_for_status()?;
    /// println!("{}", features.text());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> Request {
        let operation = match AppPath::new(path.as_ref()) {
            Ok(path) => {
                Operation::new(method, Target::new(self.api_url(), path.as_str(), Site::ControlPlane))
            }
            Err(invalid) => Operation::invalid(method, invalid),
        };
        Request::new(Arc::clone(&self.0), operation)
    }

    /// Hands on a request of another client's by the rules of a proxy, and under those of this crate: a read survives
    /// the resume of its sandbox, a mutation wakes it first and is sent once. Of the URI path and query count, below
    /// that plane's base.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Script, Step};
    /// # let server = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok("awake")))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// use reveille::{Body, Plane};
    ///
    /// let request = http::Request::get("/acme/sandboxes/box/port/3000/status").header("x-own", "1");
    /// let answer = client.forward(Plane::Data, request.body(Body::empty())?).wait()?;
    /// assert_eq!((answer.status().as_u16(), answer.history().len()), (200, 2));
    /// let response = answer.into_http();               // with its body, which is still to come
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward(&self, plane: Plane, request: http::Request<Body>) -> Forward {
        Forward::new(Arc::clone(&self.0), plane, request)
    }

    /// Sends a request of another client's to wherever its URL leads. Below [`run_url`](Self::run_url),
    /// [`api_url`](Self::api_url), a URL that the environment forces, or at a sandbox's own address (below `.bl.run`),
    /// it goes as one that is [handed on](Self::forward). Anywhere else there is no window to survive: there it is
    /// sent once, whatever comes.
    ///
    /// ```
    /// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("hello"))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").build()?;
    /// use reveille::Body;
    ///
    /// let request = http::Request::get(format!("{}/page", server.url())).body(Body::empty())?;
    /// let answer = client.send(request).wait()?;
    /// assert_eq!((answer.status().as_u16(), answer.history().len()), (200, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, request: http::Request<Body>) -> Forward {
        Forward::to_url(Arc::clone(&self.0), request)
    }

    /// What is wrong with the settings. Each was passed over, and is also a warning in the log (`tracing`).
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.0.settings.warnings
    }

    /// Where the settings lead.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.settings.origin
    }

    /// The workspace, where one is set.
    #[must_use]
    pub fn workspace(&self) -> Option<&str> {
        self.0.settings.workspace.as_deref()
    }

    /// The policy of calls that have none of their own.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        self.0.settings.policy
    }

    /// The base of the control plane, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.0.settings.api_url
    }

    /// The base under which sandboxes answer, without a trailing slash.
    #[must_use]
    pub fn run_url(&self) -> &str {
        &self.0.settings.run_url
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
