use std::fmt;

use http::{HeaderName, HeaderValue, Method, header};
use reveille_retry::Replay;
use reveille_wire::{AppPath, InvalidInput, Port};
use serde::Serialize;

use crate::body::Body;
use crate::call::{Call, like_a_call};
use crate::driver::Taking;
use crate::error::Error;
use crate::operation::replay_of;
use crate::response::Response;
use crate::sandbox::Sandbox;
use crate::stream::StreamResponse;

/// Headers that belong to one connection, or to the framing of a body, and that the client sets by itself.
const OWN: [HeaderName; 5] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE, header::TE];

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
    /// [`Response`], also the last one of the resume window when the retries are spent
    /// ([`Response::stop_reason`] tells); redirects are not followed.
    pub fn fetch<N>(&self, port: N, path: &str) -> Fetch
    where
        N: TryInto<u16> + fmt::Display + Copy,
    {
        let place = || Ok::<_, InvalidInput>(format!("/port/{}{}", Port::new(port)?, AppPath::new(path)?));
        let operation = self.0.app(Method::GET, place()).replay(Replay::Read);
        Fetch { call: Call::new(self.0.client().clone(), operation, Taking::Whole, Response::of) }
    }
}

/// A request to an HTTP server inside a sandbox; made by [`Network::fetch`].
///
/// GET, HEAD and OPTIONS, spelt exactly so, are reads and are tried again. Every other method is sent again
/// only if it is proven that it did not run. [`mutation`](Self::mutation) and [`vouched`](Self::vouched) say
/// otherwise for one request.
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Fetch {
    call: Call<Response>,
}

impl Fetch {
    /// Uses this method. What was said of repeats before is forgotten.
    pub fn method(mut self, method: Method) -> Self {
        self.call.operation.replay = replay_of(&method);
        self.call.operation.method = method;
        self
    }

    /// A GET.
    pub fn get(self) -> Self {
        self.method(Method::GET)
    }

    /// A HEAD.
    pub fn head(self) -> Self {
        self.method(Method::HEAD)
    }

    /// An OPTIONS.
    pub fn options(self) -> Self {
        self.method(Method::OPTIONS)
    }

    /// A POST.
    pub fn post(self) -> Self {
        self.method(Method::POST)
    }

    /// A PUT.
    pub fn put(self) -> Self {
        self.method(Method::PUT)
    }

    /// A PATCH.
    pub fn patch(self) -> Self {
        self.method(Method::PATCH)
    }

    /// A DELETE.
    pub fn delete(self) -> Self {
        self.method(Method::DELETE)
    }

    /// Treats the request as a mutation whatever its method, for a GET that starts something.
    pub fn mutation(mut self) -> Self {
        self.call.operation.replay = Replay::Never;
        self
    }

    /// States that a repeat is harmless, so that the request is tried again like a read: a PUT of the same
    /// bytes, a query by POST.
    pub fn vouched(mut self) -> Self {
        if self.call.operation.replay == Replay::Never {
            self.call.operation.replay = Replay::Vouched;
        }
        self
    }

    /// Adds a header. One that cannot be sent is an error of the call.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let operation = &mut self.call.operation;
        match (name.try_into(), value.try_into()) {
            (Ok(name), _) if OWN.contains(&name) => {
                operation.refuse(Error::input(format!("the header {name} is set by the client itself")));
            }
            (Ok(name), Ok(value)) => drop(operation.headers.append(name, value)),
            (Ok(name), Err(_)) => {
                operation.refuse(Error::input(format!("the value of the header {name} cannot be sent")));
            }
            (Err(_), _) => operation.refuse(Error::input("a header's name cannot be sent")),
        }
        self
    }

    /// Adds a pair to the query; both are encoded as data.
    pub fn query(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.call.operation.query(name.as_ref(), value.as_ref());
        self
    }

    /// Sends this body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.call.operation.body = body.into();
        self
    }

    /// Sends this as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.call.operation = self.call.operation.json(value);
        self
    }

    /// Takes the body of the answer as it comes, with flat memory.
    ///
    /// The head is tried again like that of any other request. Once the body is on its way a break ends it
    /// with an error that says how many bytes have come.
    ///
    /// ```
    /// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("a large file"))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// # let network = client.sandbox("box").network();
    /// use futures_util::StreamExt;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut download = network.fetch(3000, "/file").stream().await?;
    /// while let Some(piece) = download.next().await {
    ///     println!("{} bytes", piece?.len());
    /// }
    /// # Ok::<(), reveille::Error>(())
    /// # })?;
    /// // Without a runtime:
    /// let mut all = Vec::new();
    /// for piece in network.fetch(3000, "/file").stream().wait()? {
    ///     all.extend_from_slice(&piece?);
    /// }
    /// assert_eq!(all, b"a large file");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream(self) -> Call<StreamResponse> {
        self.call.taken(Taking::Stream, StreamResponse::of)
    }

    fn into_call(self) -> Call<Response> {
        self.call
    }
}

like_a_call!(Fetch => Response);
