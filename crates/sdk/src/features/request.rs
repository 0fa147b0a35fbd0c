use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, header};
use reveille_retry::Replay;
use serde::Serialize;

use crate::answer::{Fitted, Reading, Response, StreamResponse};
use crate::call::{Call, Operation, like_a_call};
use crate::core::{Body, Core};
use crate::error::Error;

/// Headers that belong to one connection, or to the framing of a body, and that the client sets by itself.
const OWN: [HeaderName; 5] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE, header::TE];

/// A request that ends as a [`Response`] or as a stream; made by [`Network::fetch`](crate::Network::fetch),
/// [`Sandbox::request`](crate::Sandbox::request) and [`Client::request`](crate::Client::request).
///
/// GET, HEAD and OPTIONS, spelt exactly so, are reads and are tried again. Every other method is sent again
/// only if it is proven that it did not run. [`replay`](Self::replay), [`mutation`](Self::mutation) and
/// [`vouched`](Self::vouched) say otherwise for one request.
///
/// Every status is a [`Response`], also the last one of the resume window when the retries are spent
/// ([`Response::stop_reason`] tells); redirects are not followed.
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Request {
    call: Call<Response>,
}

impl Request {
    pub(crate) fn new(core: Arc<Core>, operation: Operation) -> Self {
        let reading = Reading::Whole(Box::new(|answer| Ok(Response::of(answer))));
        Self { call: Call::new(core, operation, reading) }
    }

    /// Uses this method. What was said of repeats stays.
    pub fn method(mut self, method: Method) -> Self {
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

    /// Says what a repeat of the request would do, whatever its method. A read that is vouched for stays a read.
    pub fn replay(mut self, replay: Replay) -> Self {
        self.call.operation = self.call.operation.declare(replay);
        self
    }

    /// Treats the request as a mutation whatever its method, for a GET that starts something.
    pub fn mutation(self) -> Self {
        self.replay(Replay::Never)
    }

    /// States that a repeat is harmless, so that the request is tried again like a read: a PUT of the same
    /// bytes, a query by POST.
    pub fn vouched(self) -> Self {
        self.replay(Replay::Vouched)
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
        self.call.read_as(Reading::Stream(Box::new(|answer| Ok(StreamResponse::of(answer)))))
    }

    /// Takes the body of the answer as fits it: events as they come, everything else whole, so that a body that
    /// breaks off is asked for again.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let server = FaultServer::start(Step::ok("data: one\n\n").header("content-type", "text/event-stream"))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// # let network = client.sandbox("box").network();
    /// use reveille::Fitted;
    ///
    /// match network.fetch(3000, "/events").fitted().wait()? {
    ///     Fitted::Events(events) => assert_eq!(events.into_iter().count(), 1),
    ///     Fitted::Whole(page) => println!("{}", page.text()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fitted(self) -> Call<Fitted> {
        self.call.read_as(Reading::Fitted(Box::new(|answer| Ok(Fitted::of(answer)))))
    }

    fn into_call(self) -> Call<Response> {
        self.call
    }
}

like_a_call!(Request => Response);
