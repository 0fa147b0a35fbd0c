use std::fmt;

use http::Method;
use reveille_wire::{AppPath, InvalidInput, Port};

use super::{Forward, Request, Sandbox};
use crate::core::Body;

/// HTTP servers inside a sandbox.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let script = Script::new().step(Step::status(503)).then(Step::ok("ready"));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// # let sandbox = client.sandbox("box");
/// // A read: it survives the resume of a sandbox that was asleep.
/// let page = sandbox.network().fetch(3000, "/status").query("full", "1").wait()?;
/// assert_eq!((page.status().as_u16(), page.text().as_ref()), (200, "ready"));
/// assert_eq!(page.history().len(), 2);
///
/// // A mutation: it is sent once, and again only if it is proven that it did not run.
/// let made = sandbox.network().fetch(3000, "/orders").post().json(&["tea"]).wait()?;
/// assert!(made.status().is_success());
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let page = sandbox.network().fetch(3000, "/status").await?;
/// # assert_eq!(page.text(), "ready");
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network(Sandbox);

impl Network {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// A request to the HTTP server on `port`; a GET until told otherwise. A port or path that cannot be used
    /// is an error of the call.
    ///
    /// A path without a leading `/` gets one, and `..` never climbs above the port. Every status is a
    /// [`Response`](crate::Response), also the last one of the resume window when the retries are spent
    /// ([`Response::stop_reason`](crate::Response::stop_reason) tells); redirects are not followed.
    pub fn fetch<N>(&self, port: N, path: &str) -> Request
    where
        N: TryInto<u16> + fmt::Display + Copy,
    {
        let place = || {
            let (port, path) = (Port::new(port)?, AppPath::new(path)?);
            Ok::<_, InvalidInput>(["/port/", itoa::Buffer::new().format(port.get()), path.as_str()].concat())
        };
        Request::new(self.0.core(), self.0.app(Method::GET, place()))
    }

    /// A request of somebody else's, to be handed on to the server on `port` by the rules of a proxy, in the name of
    /// this client; the `/` and what follows it in its URL is the path. As [`Client::forward`](crate::Client::forward),
    /// whose answer says what there is to hand back.
    ///
    /// ```
    /// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("hi"))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// # let network = client.sandbox("box").network();
    /// let request = http::Request::get("/status").body(reveille::Body::empty())?;
    /// let answer = network.forward(3000, request).wait()?;
    /// assert_eq!(answer.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward<N>(&self, port: N, request: http::Request<Body>) -> Forward
    where
        N: TryInto<u16> + fmt::Display + Copy,
    {
        Forward::to_app(&self.0, Port::new(port), request)
    }
}
