//! The connections to one address that are there: which can take a request, and which are let go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Http1, Http2, Stream};
use super::permits::Permits;

/// How long a connection that was just given back may need until it takes the next request.
const TURN: Duration = Duration::from_millis(50);
/// A connection that was idle for longer is looked at before it is used.
const FRESH: Duration = Duration::from_millis(1);

/// The connections to one address that are there.
pub(super) struct Kept {
    connections: Mutex<Connections>,
    permits: Arc<Permits>,
    /// How often one turned out to be dead. What is older than that is not trusted.
    faults: AtomicU64,
}

#[derive(Default)]
struct Connections {
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
pub(super) enum Served {
    Never,
    Before,
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
pub(super) enum Place {
    Found(Leased),
    /// The peer is about to say how many streams it takes.
    Greeting(tokio::sync::watch::Receiver<bool>),
    None,
}

impl Kept {
    /// None, as yet.
    pub(super) fn new(permits: &Arc<Permits>) -> Self {
        let permits = Arc::clone(permits);
        Self { connections: Mutex::default(), permits, faults: AtomicU64::new(0) }
    }

    /// A place on a connection that needs no look: it was given back just now, or is shared. Where nobody waits for it
    /// who came before.
    pub(super) fn ready(&self) -> Option<Leased> {
        if self.permits.is_queue() {
            return None;
        }
        let (age, most) = (self.age(), self.permits.idle_for());
        let mut connections = self.lock();
        if connections.idle.is_empty() {
            drop(connections);
            return self.stream();
        }
        let is_ready = |idle: &mut Idle| {
            let fresh = FRESH.min(idle.at_most(most));
            idle.age == age && idle.connection.is_ready() && idle.since.elapsed() <= fresh
        };
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
    pub(super) async fn free(&self) -> Option<Leased> {
        if self.permits.is_queue() { self.stream() } else { self.idle().await }
    }

    /// The connection that was given back last, where it can still be used.
    pub(super) async fn idle(&self) -> Option<Leased> {
        loop {
            let Some(found) = self.lock().idle.pop() else { return self.stream() };
            let most = found.at_most(self.permits.idle_for());
            let Idle { mut connection, since, age } = found;
            let idle = since.elapsed();
            if idle > most || age != self.age() || connection.is_closed() {
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
    pub(super) fn shared(&self) -> Place {
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

    /// Keeps a connection that many may use, which was made at this age.
    pub(super) fn share(&self, connection: Arc<Http2>, age: Age) {
        self.lock().shared.push(Shared { connection, used: Instant::now(), age });
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
            let rested = now.duration_since(idle.since);
            idle.age == age && !idle.connection.is_closed() && rested < idle.at_most(most)
        });
        connections.shared.retain(|shared| shared.is_usable(age, now, most));
        !connections.idle.is_empty() || !connections.shared.is_empty()
    }

    /// The age of a connection that is made now.
    pub(super) fn age(&self) -> Age {
        Age(self.faults.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    /// How long it may be idle, where none may be for longer than `most`.
    fn at_most(&self, most: Duration) -> Duration {
        most.min(self.connection.rest())
    }
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
