//! The way to one address: over a connection that is there, or over one that is made.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use reveille_retry::FaultKind;

use super::connect::{ConnectFault, Connector, Protocol};
use super::connection::{Http1, Http2};
use super::kept::{Kept, Lease, Leased, Place, Served};
use super::permits::{Permit, Permits};
use super::{Trace, evidence};

/// The connections to one address, on one runtime.
pub(super) struct Host {
    origin: Uri,
    /// What a request says in its `Host`.
    name: Option<HeaderValue>,
    pub(super) kept: Kept,
    /// What was spoken on the connection that was made last, or is known in advance.
    protocol: Mutex<Option<Protocol>>,
    /// Held while a connection is made that many may be waiting for.
    connecting: tokio::sync::Mutex<()>,
    permits: Arc<Permits>,
    /// Whether it refused to speak HTTP/1.1.
    is_http2_only: AtomicBool,
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    /// One that has not served before.
    Fresh,
    /// The same, of HTTP/1.1, which alone can change over to any other protocol (RFC 9110, section 7.8).
    Upgradable,
    /// One that can change over to a WebSocket.
    WebSocket,
}

/// What a request needs of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) wanted: Wanted,
    /// How long connecting may take, where it is not as the client says.
    pub(super) connect_in: Option<Duration>,
    /// How long may be waited for a connection, where there may not be more.
    pub(super) pool_in: Option<Duration>,
}

/// Who has waited for a connection goes on one that is there, or may make one.
enum Admitted {
    Here(Leased),
    Anew(Permit),
}

impl Host {
    /// The connections to where the URI points.
    pub(super) fn new(uri: &Uri, protocol: Option<Protocol>, permits: &Arc<Permits>) -> Arc<Self> {
        let host = Arc::new(Self {
            origin: origin_of(uri),
            name: name_of(uri),
            kept: Kept::new(permits),
            protocol: Mutex::new(protocol),
            connecting: tokio::sync::Mutex::new(()),
            permits: Arc::clone(permits),
            is_http2_only: AtomicBool::new(false),
        });
        permits.count(&host);
        host
    }

    /// Where it is: a URL without a path.
    pub(super) fn origin(&self) -> &Uri {
        &self.origin
    }

    pub(super) fn name(&self) -> Option<&HeaderValue> {
        self.name.as_ref()
    }

    /// A place for a request: on a connection that is there, or on a new one.
    pub(super) async fn lease(
        &self,
        connector: &Connector,
        wish: Wish,
        trace: &Trace,
    ) -> Result<Leased, ConnectFault> {
        if wish.wanted == Wanted::Any {
            if let Some(leased) = self.kept.ready() {
                return Ok(leased);
            }
            if let Some(leased) = Box::pin(self.kept.free()).await {
                return Ok(leased);
            }
        }
        // Boxed, as it is far more than what a call needs that finds a connection.
        Box::pin(self.new_lease(connector, wish, trace)).await
    }

    async fn new_lease(
        &self,
        connector: &Connector,
        wish: Wish,
        trace: &Trace,
    ) -> Result<Leased, ConnectFault> {
        let hurried;
        let connector = match wish.connect_in {
            None => connector,
            Some(most) => {
                hurried = connector.within(most);
                &hurried
            }
        };
        match wish.wanted {
            Wanted::Any => self.for_any(connector, wish, trace).await,
            Wanted::Fresh => self.connect(connector, self.permit(wish, trace).await?).await,
            Wanted::Upgradable => self.connect_upgradable(connector, self.permit(wish, trace).await?).await,
            Wanted::WebSocket => self.for_websocket(connector, wish, trace).await,
        }
    }

    /// A place on a connection that is free by now, or on one that is made.
    pub(super) async fn for_any(
        &self,
        connector: &Connector,
        wish: Wish,
        trace: &Trace,
    ) -> Result<Leased, ConnectFault> {
        match self.admitted(wish, trace).await? {
            Admitted::Here(leased) => Ok(leased),
            Admitted::Anew(permit) => self.made_for_any(connector, permit).await,
        }
    }

    /// Waits until there may be one more connection, or one that is there is free.
    async fn admitted(&self, wish: Wish, trace: &Trace) -> Result<Admitted, ConnectFault> {
        if let Some(permit) = self.permits.unbounded() {
            return Ok(Admitted::Anew(permit));
        }
        let admitted = async {
            let _turn = self.permits.turn().await;
            loop {
                if let Some(leased) = self.kept.idle().await {
                    return Admitted::Here(leased);
                }
                if let Some(permit) = self.permits.take() {
                    return Admitted::Anew(permit);
                }
                self.permits.make_room();
                self.permits.freed().await;
            }
        };
        in_queue(admitted, wish, trace).await
    }

    /// Waits until there may be one more connection.
    pub(super) async fn permit(&self, wish: Wish, trace: &Trace) -> Result<Permit, ConnectFault> {
        match self.permits.unbounded() {
            Some(permit) => Ok(permit),
            None => in_queue(self.permits.one(), wish, trace).await,
        }
    }

    /// A place on a connection that is made, or on one that others have made meanwhile.
    async fn made_for_any(&self, connector: &Connector, permit: Permit) -> Result<Leased, ConnectFault> {
        if self.speaks_http1() {
            return self.connect(connector, permit).await;
        }
        loop {
            let turn = self.connecting.lock().await;
            match self.kept.shared() {
                Place::Found(leased) => return Ok(leased),
                Place::Greeting(mut greeted) => {
                    drop(turn);
                    // An error is the end of the connection: then there is another to be made.
                    let _ = greeted.wait_for(|greeted| *greeted).await;
                }
                Place::None if self.speaks_http1() => {
                    drop(turn);
                    return self.connect(connector, permit).await;
                }
                Place::None => return self.connect(connector, permit).await,
            }
        }
    }

    async fn connect(&self, connector: &Connector, permit: Permit) -> Result<Leased, ConnectFault> {
        let age = self.kept.age();
        let (link, protocol) = connector.connect(&self.origin, permit).await?;
        *self.protocol() = Some(protocol);
        let lease = match protocol {
            Protocol::Http1 => Lease::Http1(Http1::new(link).await.map_err(evidence::of_handshake)?),
            Protocol::Http2 => {
                let connection = Http2::new(link, &self.permits).await.map_err(evidence::of_handshake)?;
                let Some(stream) = connection.stream() else {
                    return Err(evidence::of_no_stream());
                };
                self.kept.share(connection, age);
                Lease::Http2(stream)
            }
        };
        Ok(Leased { lease, served: Served::Never, age })
    }

    pub(super) async fn connect_upgradable(
        &self,
        connector: &Connector,
        permit: Permit,
    ) -> Result<Leased, ConnectFault> {
        let age = self.kept.age();
        let link = connector.connect_for_upgrade(&self.origin, permit).await?;
        let lease = Lease::Http1(Http1::new(link).await.map_err(evidence::of_handshake)?);
        Ok(Leased { lease, served: Served::Never, age })
    }

    fn speaks_http1(&self) -> bool {
        *self.protocol() == Some(Protocol::Http1)
    }

    fn protocol(&self) -> MutexGuard<'_, Option<Protocol>> {
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_http2_only(&self) -> bool {
        self.is_http2_only.load(Ordering::Relaxed)
    }

    pub(super) fn note_http2_only(&self) {
        self.is_http2_only.store(true, Ordering::Relaxed);
    }
}

/// Waits for a connection as long as that may take.
async fn in_queue<T>(work: impl Future<Output = T>, wish: Wish, trace: &Trace) -> Result<T, ConnectFault> {
    trace.queues();
    let done = match wish.pool_in {
        None => Ok(work.await),
        Some(most) => tokio::time::timeout(most, work).await,
    };
    trace.queued();
    done.map_err(|late| ConnectFault::new(FaultKind::PoolTimeout, late))
}

fn origin_of(uri: &Uri) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = parts.path_and_query.map(|_| PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// Host and port, where that is not the one that the scheme stands for (RFC 9112, section 3.2).
fn name_of(uri: &Uri) -> Option<HeaderValue> {
    let authority = uri.authority()?;
    let is_standard =
        matches!((uri.scheme_str(), uri.port_u16()), (Some("http"), Some(80)) | (Some("https"), Some(443)));
    let name = if is_standard { authority.host() } else { authority.as_str() };
    HeaderValue::from_str(name).ok()
}
