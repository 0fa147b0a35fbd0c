//! One connection pool, and what it says when an attempt fails.

mod connect;
mod evidence;
mod proxy;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reveille_retry::{Dispatch, Fault, FaultKind, Proof};

use crate::core::SendBody;
use crate::error::Source;
use connect::Connector;

/// How long a connection may be idle in the pool. Gateways drop theirs after 60 s or more.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// How often an HTTP/2 connection with calls in flight is asked whether it lives, and how long it may be
/// silent then.
const PING: Duration = Duration::from_secs(30);

/// Which version of HTTP is spoken where TLS does not settle it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1 in the clear, and over TLS what the server prefers.
    #[default]
    Negotiated,
    /// HTTP/2 everywhere, in the clear with prior knowledge (RFC 9113, section 3.3).
    Http2,
}

/// How a transport is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransportSettings {
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) version: HttpVersion,
    pub(crate) roots: Vec<Vec<u8>>,
}

/// An attempt in which no byte comes for this long has failed (the official Python client's value).
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// The one way to the network.
pub(crate) struct Transport {
    pool: Pool<Connector, SendBody>,
    /// It keeps nothing: each of its requests goes out on a connection of its own.
    fresh: Pool<Connector, SendBody>,
    read_timeout: Duration,
}

/// An attempt that brought no usable answer.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) fault: Fault,
    pub(crate) source: Option<Source>,
}

impl Transport {
    pub(crate) fn new(settings: &TransportSettings) -> Self {
        let connector = Connector::new(settings);
        let mut pools = Pool::builder(TokioExecutor::new());
        pools
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .http2_only(settings.version == HttpVersion::Http2)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING);
        let pool = pools.build(connector.clone());
        let fresh = pools.pool_max_idle_per_host(0).build(connector);
        Self { pool, fresh, read_timeout: settings.read_timeout.unwrap_or(READ_TIMEOUT) }
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        self.read_timeout
    }

    /// Sends a request on a connection of its own, which nobody uses after it.
    pub(crate) async fn send_fresh(
        &self,
        request: Request<SendBody>,
        quiet: &Quiet,
    ) -> Result<Response<Incoming>, Broken> {
        match quiet.bound(self.fresh.request(request)).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(evidence::of_send(error)),
            None => Err(Broken { fault: Fault::unknown(FaultKind::ReadTimeout), source: None }),
        }
    }

    /// Sends a request and waits for the head of the final answer.
    ///
    /// The pool sends a request again by itself in one case only: where a pooled connection turns out to be
    /// closed before any of it was written.
    pub(crate) async fn send(
        &self,
        mut request: Request<SendBody>,
        quiet: Quiet,
        trace: &mut Trace,
    ) -> Result<Response<Incoming>, Broken> {
        trace.connection = Some(capture_connection(&mut request));
        let sent = quiet.bound(self.pool.request(request));
        match sent.await {
            Some(Ok(response)) => {
                trace.answered = true;
                Ok(response)
            }
            Some(Err(error)) => {
                trace.abandon_connection();
                Err(evidence::of_send(error))
            }
            None => {
                trace.abandon_connection();
                Err(Broken {
                    fault: Fault { kind: FaultKind::ReadTimeout, dispatch: trace.dispatch() },
                    source: None,
                })
            }
        }
    }
}

pub(crate) use evidence::of_body;

/// How far an attempt has come, for whoever cuts it.
#[derive(Default)]
pub(crate) struct Trace {
    connection: Option<CaptureConnection>,
    answered: bool,
}

impl Trace {
    /// Whether the request can have been carried out.
    pub(crate) fn dispatch(&self) -> Dispatch {
        if self.answered {
            return Dispatch::Answered;
        }
        let connected =
            self.connection.as_ref().is_some_and(|capture| capture.connection_metadata().is_some());
        if connected { Dispatch::Unknown } else { Dispatch::NotDispatched(Proof::Connect) }
    }

    /// Lets no later request use the connection of this one.
    pub(crate) fn abandon_connection(&self) {
        if let Some(capture) = &self.connection
            && let Some(connected) = capture.connection_metadata().as_ref()
        {
            connected.poison();
        }
    }
}

/// A bound on silence: no byte in either direction for that long.
#[derive(Clone)]
pub(crate) struct Quiet {
    most: Duration,
    progress: Arc<AtomicU64>,
}

impl Quiet {
    pub(crate) fn new(most: Duration) -> Self {
        Self { most, progress: Arc::default() }
    }

    /// What the body of the request counts its progress in.
    pub(crate) fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.progress)
    }

    /// Waits for `work`, or until it was quiet for too long.
    pub(crate) async fn bound<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = std::pin::pin!(work);
        loop {
            let before = self.progress.load(Ordering::Relaxed);
            match tokio::time::timeout(self.most, &mut work).await {
                Ok(done) => return Some(done),
                Err(_) if self.progress.load(Ordering::Relaxed) != before => {}
                Err(_) => return None,
            }
        }
    }
}
