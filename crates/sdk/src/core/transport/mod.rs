//! The one way to the network, and what it says when an attempt fails.
//!
//! [`exchange`](mod@exchange) takes a request to its peer over one of the connections of a [`host`](mod@host), which are
//! [`kept`](mod@kept), or which [`connect`](mod@connect) makes; [`evidence`](mod@evidence) reads what an attempt that
//! failed proves.

mod connect;
mod connection;
mod evidence;
mod exceptions;
mod exchange;
mod expectation;
mod host;
mod incoming;
mod interim;
mod kept;
mod link;
mod permits;
mod pool;
mod proxy;
mod quiet;
mod resolve;
#[cfg(feature = "tls")]
mod tls;
mod websocket;

use std::fmt;
use std::future::{Future, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use reveille_retry::{Dispatch, Fault, FaultKind, Proof};

use super::per_process::PerProcess;
use crate::core::SendBody;
use crate::error::Source;
use connect::Connector;
use connection::Http2;
use exchange::Way;
use host::{Host, Wish};
use kept::{Age, Lease, Served};
use pool::Pools;

pub(crate) use evidence::of_body;
pub(crate) use host::Wanted;
pub(crate) use incoming::Incoming;
pub(crate) use interim::OnInformational;
pub use permits::ConnectionLimits;
pub(crate) use permits::SWEPT_EVERY;
pub(crate) use proxy::is_spoken;
pub(crate) use quiet::Quiet;
pub(crate) use websocket::{Change, Switched};

/// Which version of HTTP is spoken where TLS does not settle it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1 in the clear, and over TLS what the server prefers.
    #[default]
    Negotiated,
    /// HTTP/1.1 everywhere.
    Http1,
    /// HTTP/2 everywhere, in the clear with prior knowledge (RFC 9113, section 3.3).
    Http2,
}

/// How a transport is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransportSettings {
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) pool_timeout: Option<Duration>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) version: HttpVersion,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) way: ForwardProxy,
    #[cfg(feature = "tls")]
    pub(crate) believes: Believes,
    #[cfg(feature = "tls")]
    pub(crate) shows: Option<Certificate>,
}

/// The forward proxy that requests go through.
#[derive(Clone, Default)]
pub(crate) enum ForwardProxy {
    /// The one that the environment names, where it names one.
    #[default]
    Environment,
    /// None, whatever the environment names.
    None,
    /// This one, for every request.
    At(String),
}

impl fmt::Debug for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its URL may hold a login.
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::At(_) => "At(..)",
        })
    }
}

/// Which certificates of servers are believed.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Believes {
    /// Those that an authority signed that is trusted, for the name that was asked for.
    #[default]
    Signed,
    /// Any.
    Any,
}

/// What a client shows to servers that ask for a certificate, as DER.
#[cfg(feature = "tls")]
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: Vec<u8>,
}

#[cfg(feature = "tls")]
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// A place for the name of the host, which the transport fills. Headers without one grow by half when it is added.
pub(crate) const HOST_TO_COME: HeaderValue = HeaderValue::from_static("");

/// An attempt in which no byte comes for this long has failed (the official Python client's value).
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// The one way to the network.
pub(crate) struct Transport {
    connector: Connector,
    pools: PerProcess<Pools>,
    limits: ConnectionLimits,
    pool_timeout: Option<Duration>,
    read_timeout: Duration,
}

/// How long a call lets the steps to a connection take, where that is not as the client says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// To connect, TLS included.
    pub(crate) connect: Option<Duration>,
    /// To wait for a connection, where there may not be more.
    pub(crate) pool: Option<Duration>,
}

/// An attempt that brought no usable answer.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) fault: Fault,
    pub(crate) source: Option<Source>,
}

/// A request on its way, until the head of its answer comes.
pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Broken>> + Send + 'a>>;

impl Transport {
    pub(crate) fn new(settings: &TransportSettings) -> Self {
        Self {
            connector: Connector::new(settings),
            pools: PerProcess::new(),
            limits: settings.limits,
            pool_timeout: settings.pool_timeout,
            read_timeout: settings.read_timeout.unwrap_or(READ_TIMEOUT),
        }
    }

    /// The same way with connections of its own.
    pub(crate) fn with_limits(&self, limits: ConnectionLimits) -> Self {
        Self { connector: self.connector.clone(), pools: PerProcess::new(), limits, ..*self }
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        self.read_timeout
    }

    /// Sends a request on a connection that is made for it.
    pub(crate) async fn send_fresh(
        &self,
        request: Request<SendBody>,
        bounds: Bounds,
        tell: Option<&OnInformational>,
        quiet: &mut Quiet,
    ) -> Result<Response<Incoming>, Broken> {
        let trace = Trace::default();
        self.bound(self.send(request, Wanted::Fresh, bounds, tell, &trace), quiet, &trace).await
    }

    /// Sends a request and waits for the head of the final answer, however long that takes. Informational answers that
    /// are for the caller are told to `tell`.
    ///
    /// Boxed, as it is the bulk of what a call carries, and would be moved with all that surround it.
    pub(crate) fn send<'a>(
        &'a self,
        request: Request<SendBody>,
        wanted: Wanted,
        bounds: Bounds,
        tell: Option<&OnInformational>,
        trace: &'a Trace,
    ) -> Sending<'a> {
        let pool = self.pools.get(|| Pools::new(self.limits)).here();
        match pool.and_then(|pool| pool.host(request.uri(), &self.connector)) {
            Some(host) => {
                let Bounds { connect, pool } = bounds;
                let wish = Wish { wanted, connect_in: connect, pool_in: pool.or(self.pool_timeout) };
                let way = Way { connector: &self.connector, host, wish };
                way.send(request, tell, trace)
            }
            None => Box::pin(ready(Err(nowhere()))),
        }
    }

    /// Ends what was sent when it is quiet for too long.
    pub(crate) async fn bound(
        &self,
        mut sent: Sending<'_>,
        quiet: &mut Quiet,
        trace: &Trace,
    ) -> Result<Response<Incoming>, Broken> {
        loop {
            if let Some(done) = quiet.bound(&mut sent).await {
                return done;
            }
            if !trace.has_queued() {
                break;
            }
            // Whoever waits for a connection meets nobody's silence.
            quiet.heard();
        }
        trace.distrust_connection();
        let fault = Fault { kind: FaultKind::ReadTimeout, dispatch: trace.dispatch() };
        Err(Broken { fault, source: None })
    }
}

fn nowhere() -> Broken {
    let fault = Fault::proven(FaultKind::Unsendable, Proof::Canceled);
    Broken { fault, source: Some("the URL has no host".into()) }
}

/// How far an attempt has come, for whoever cuts it or races it.
#[derive(Default)]
pub(crate) struct Trace(Mutex<Traced>);

#[derive(Default)]
struct Traced {
    on: Option<Leasing>,
    answered: bool,
    queue: Queue,
}

/// Whether a request waits until there may be one more connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queue {
    #[default]
    Not,
    Waits,
    /// It did, since that was asked for last.
    Waited,
}

/// The connection that a request is on.
struct Leasing {
    host: Arc<Host>,
    age: Age,
    served: Served,
    shared: Option<Arc<Http2>>,
}

impl Trace {
    fn leased(&self, host: &Arc<Host>, lease: &Lease, served: Served, age: Age) {
        let shared = match lease {
            Lease::Http1(_) => None,
            Lease::Http2(stream) => Some(Arc::clone(stream.connection())),
        };
        self.lock().on = Some(Leasing { host: Arc::clone(host), age, served, shared });
    }

    fn queues(&self) {
        self.lock().queue = Queue::Waits;
    }

    fn queued(&self) {
        self.lock().queue = Queue::Waited;
    }

    /// Whether the request waits for a connection, or has since that was asked for last.
    fn has_queued(&self) -> bool {
        let mut traced = self.lock();
        let queue = traced.queue;
        if queue == Queue::Waited {
            traced.queue = Queue::Not;
        }
        queue != Queue::Not
    }

    /// Nothing of the request was written.
    fn came_back(&self) {
        self.lock().on = None;
    }

    /// The head of the answer came.
    fn answered(&self) {
        self.lock().answered = true;
    }

    /// Whether the request can have been carried out. While it waits for a connection, or for a place on one, it
    /// cannot.
    pub(crate) fn dispatch(&self) -> Dispatch {
        let traced = self.lock();
        match &traced.on {
            _ if traced.answered => Dispatch::Answered,
            Some(_) => Dispatch::Unknown,
            None => Dispatch::NotDispatched(Proof::Connect),
        }
    }

    /// Whether the request is on a connection that has served before, and nothing has come.
    pub(crate) fn waits_on_old_connection(&self) -> bool {
        let traced = self.lock();
        !traced.answered && traced.on.as_ref().is_some_and(|on| on.served == Served::Before)
    }

    /// Lets no later request use the connection of this one.
    pub(crate) fn abandon_connection(&self) {
        if let Some(Leasing { shared: Some(shared), .. }) = &self.lock().on {
            shared.retire();
        }
    }

    /// The same for a connection that was silent: if it had served before, others that are as old may be dead like
    /// it.
    pub(crate) fn distrust_connection(&self) {
        self.abandon_connection();
        if let Some(Leasing { host, age, served: Served::Before, .. }) = &self.lock().on {
            host.kept.distrust(*age);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Traced> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
