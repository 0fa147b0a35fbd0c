//! The connections to one address.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use reveille_retry::FaultKind;

use super::connect::{ConnectFault, Connector, Protocol};
use super::connection::{Http1, Http2, Stream};
use super::permits::{Permit, Permits};
use super::{Trace, evidence};

/// How long a connection that was just given back may need until it takes the next request.
const TURN: Duration = Duration::from_millis(50);
/// A connection that was idle for longer is looked at before it is used.
const FRESH: Duration = Duration::from_millis(1);

/// The connections to one address, on one runtime.
pub(super) struct Host {
    origin: Uri,
    /// What a request says in its `Host`.
    name: Option<HeaderValue>,
    connections: Mutex<Connections>,
    /// Held while a connection is made that many may be waiting for.
    connecting: tokio::sync::Mutex<()>,
    permits: Arc<Permits>,
    /// How often a connection to here turned out to be dead. What is older than that is not trusted.
    faults: AtomicU64,
    /// Whether it refused to speak HTTP/1.1.
    is_http2_only: AtomicBool,
}

struct Connections {
    protocol: Option<Protocol>,
    idle: Vec<Idle>,
    shared: Vec<Shared>,
}

struct Idle {
    connection: Http1,
    since: Instant,
    age: Age,
}

struct Shared {
    connection: Arc<Http2>,
    used: Instant,
    age: Age,
}

/// How many faults there had been when a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Age(u64);

/// Whether a connection has served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Never,
    Before,
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

/// A place on a connection for one request.
pub(super) enum Lease {
    Http1(Http1),
    Http2(Stream),
}

/// A lease, and where it is from.
pub(super) struct Leased {
    pub(super) lease: Lease,
    pub(super) served: Served,
    pub(super) age: Age,
}

/// What stands between a request and a place on a connection.
enum Place {
    Found(Leased),
    /// The peer is about to say how many streams it takes.
    Greeting(tokio::sync::watch::Receiver<bool>),
    None,
}

impl Host {
    /// The connections to where the URI points.
    pub(super) fn new(uri: &Uri, protocol: Option<Protocol>, permits: &Arc<Permits>) -> Arc<Self> {
        let connections = Connections { protocol, idle: Vec::new(), shared: Vec::new() };
        let host = Arc::new(Self {
            origin: origin_of(uri),
            name: name_of(uri),
            connections: Mutex::new(connections),
            connecting: tokio::sync::Mutex::new(()),
            permits: Arc::clone(permits),
            faults: AtomicU64::new(0),
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
            if let Some(leased) = self.ready() {
                return Ok(leased);
            }
            if let Some(leased) = Box::pin(self.free()).await {
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
                if let Some(leased) = self.idle().await {
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
        if self.lock().protocol == Some(Protocol::Http1) {
            return self.connect(connector, permit).await;
        }
        loop {
            let turn = self.connecting.lock().await;
            match self.shared() {
                Place::Found(leased) => return Ok(leased),
                Place::Greeting(mut greeted) => {
                    drop(turn);
                    // An error is the end of the connection: then there is another to be made.
                    let _ = greeted.wait_for(|greeted| *greeted).await;
                }
                Place::None if self.lock().protocol == Some(Protocol::Http1) => {
                    drop(turn);
                    return self.connect(connector, permit).await;
                }
                Place::None => return self.connect(connector, permit).await,
            }
        }
    }

    async fn connect(&self, connector: &Connector, permit: Permit) -> Result<Leased, ConnectFault> {
        let age = self.age();
        let (link, protocol) = connector.connect(&self.origin, permit).await?;
        self.lock().protocol = Some(protocol);
        let lease = match protocol {
            Protocol::Http1 => Lease::Http1(Http1::new(link).await.map_err(evidence::of_handshake)?),
            Protocol::Http2 => {
                let connection = Http2::new(link, &self.permits).await.map_err(evidence::of_handshake)?;
                let Some(stream) = connection.stream() else {
                    return Err(evidence::of_no_stream());
                };
                self.lock().shared.push(Shared { connection, used: Instant::now(), age });
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
        let age = self.age();
        let link = connector.connect_for_upgrade(&self.origin, permit).await?;
        let lease = Lease::Http1(Http1::new(link).await.map_err(evidence::of_handshake)?);
        Ok(Leased { lease, served: Served::Never, age })
    }

    /// A place on a connection that needs no look: it was given back just now, or is shared. Where nobody waits for it
    /// who came before.
    fn ready(&self) -> Option<Leased> {
        if self.permits.is_queue() {
            return None;
        }
        let (age, fresh) = (self.age(), FRESH.min(self.permits.idle_for()));
        let mut connections = self.lock();
        if connections.idle.is_empty() {
            drop(connections);
            return self.stream();
        }
        let is_ready =
            |idle: &mut Idle| idle.age == age && idle.connection.is_ready() && idle.since.elapsed() <= fresh;
        let Idle { connection, .. } = connections.idle.pop_if(is_ready)?;
        Some(Leased { lease: Lease::Http1(connection), served: Served::Before, age })
    }

    /// A stream on a connection that is there.
    fn stream(&self) -> Option<Leased> {
        match self.shared() {
            Place::Found(leased) => Some(leased),
            Place::Greeting(_) | Place::None => None,
        }
    }

    /// A place on a connection that is there, where nobody waits for it who came before.
    async fn free(&self) -> Option<Leased> {
        if self.permits.is_queue() { self.stream() } else { self.idle().await }
    }

    /// The connection that was given back last, where it can still be used.
    async fn idle(&self) -> Option<Leased> {
        loop {
            let found = self.lock().idle.pop();
            let Some(Idle { mut connection, since, age }) = found else { return self.stream() };
            let idle = since.elapsed();
            if idle > self.permits.idle_for() || age != self.age() || connection.is_closed() {
                continue;
            }
            if idle > FRESH {
                notice_what_came().await;
            }
            let is_ready = connection.is_ready()
                || matches!(tokio::time::timeout(TURN, connection.ready()).await, Ok(Ok(())));
            if is_ready && !connection.is_closed() {
                return Some(Leased { lease: Lease::Http1(connection), served: Served::Before, age });
            }
        }
    }

    /// What there is of shared connections.
    fn shared(&self) -> Place {
        let (age, now) = (self.age(), Instant::now());
        let mut connections = self.lock();
        connections.shared.retain(|shared| shared.is_usable(age, now, self.permits.idle_for()));
        for shared in &mut connections.shared {
            if let Some(stream) = shared.connection.stream() {
                shared.used = now;
                return Place::Found(Leased { lease: Lease::Http2(stream), served: Served::Before, age });
            }
        }
        match connections.shared.iter().find(|shared| shared.connection.is_greeting()) {
            Some(shared) => Place::Greeting(shared.connection.greeted()),
            None => Place::None,
        }
    }

    /// Takes a connection back after its answer has ended.
    pub(super) fn give_back(&self, connection: Http1, age: Age) {
        if age == self.age() && !connection.is_closed() {
            self.lock().idle.push(Idle { connection, since: Instant::now(), age });
            self.permits.rests();
        }
    }

    /// A connection of this age that had served before is dead: so may be all that are as old.
    pub(super) fn distrust(&self, age: Age) {
        let next = age.0.saturating_add(1);
        if self.faults.compare_exchange(age.0, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let mut connections = self.lock();
            connections.shared.clear();
            let dropped = std::mem::take(&mut connections.idle);
            drop(connections);
            drop(dropped);
        }
    }

    /// How many connections are idle.
    pub(super) fn idle_count(&self) -> usize {
        let connections = self.lock();
        connections.idle.len() + connections.shared.iter().filter(|shared| shared.is_idle()).count()
    }

    /// Since when the one is idle that has been for longest.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let connections = self.lock();
        let shared = connections.shared.iter().filter(|shared| shared.is_idle()).map(|shared| shared.used);
        connections.idle.iter().map(|idle| idle.since).chain(shared).min()
    }

    /// Closes the connection that has been idle for longest.
    pub(super) fn close_one(&self) {
        let Some(since) = self.idle_since() else { return };
        let mut connections = self.lock();
        let of_http1 = connections.idle.iter().position(|idle| idle.since == since);
        let of_http2 = connections.shared.iter().position(|shared| shared.is_idle() && shared.used == since);
        // What is dropped is dropped when nothing is locked.
        let (one, other) = match (of_http1, of_http2) {
            (Some(at), _) => (Some(connections.idle.remove(at)), None),
            (None, Some(at)) => (None, Some(connections.shared.remove(at))),
            (None, None) => (None, None),
        };
        drop(connections);
        drop((one, other));
    }

    /// Drops what was idle for too long, and says whether anything is left.
    pub(super) fn sweep(&self) -> bool {
        let (age, now, most) = (self.age(), Instant::now(), self.permits.idle_for());
        let mut connections = self.lock();
        connections.idle.retain(|idle| {
            idle.age == age && !idle.connection.is_closed() && now.duration_since(idle.since) < most
        });
        connections.shared.retain(|shared| shared.is_usable(age, now, most));
        !connections.idle.is_empty() || !connections.shared.is_empty()
    }

    pub(super) fn is_http2_only(&self) -> bool {
        self.is_http2_only.load(Ordering::Relaxed)
    }

    pub(super) fn note_http2_only(&self) {
        self.is_http2_only.store(true, Ordering::Relaxed);
    }

    fn age(&self) -> Age {
        Age(self.faults.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Shared {
    fn is_idle(&self) -> bool {
        self.connection.is_idle() && self.connection.is_usable()
    }

    fn is_usable(&self, age: Age, now: Instant, most: Duration) -> bool {
        let is_old = self.connection.is_idle() && now.duration_since(self.used) > most;
        self.age == age && !is_old && self.connection.is_usable()
    }
}

/// Lets the runtime look at its sockets, and the connections at what came, so that one that the peer has closed
/// meanwhile is seen to be closed. On a runtime that stood still since, nobody has looked. It takes a task: only
/// where the runtime itself polls does a yield go by way of its sockets.
async fn notice_what_came() {
    // An error is the end of the runtime, and then of the connection.
    let _ = tokio::spawn(tokio::task::yield_now()).await;
}
