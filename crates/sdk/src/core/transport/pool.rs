//! The connections of one client on one runtime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use tokio::runtime::{Handle, Id};

use super::connect::Connector;
use super::host::Host;
use super::permits::{ConnectionLimits, Permits};

/// The pools of one client: each runtime has its own, as connections live and die with the runtime that made them.
pub(super) struct Pools {
    of_runtimes: Mutex<Vec<(Id, Arc<Pool>)>>,
    permits: Arc<Permits>,
}

impl Pools {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { of_runtimes: Mutex::default(), permits: Permits::new(limits) }
    }

    /// The pool of the runtime that this is polled on. `None` where it is polled on none.
    pub(super) fn here(&self) -> Option<Arc<Pool>> {
        let id = Handle::try_current().ok()?.id();
        let mut pools = lock(&self.of_runtimes);
        if let Some((_, pool)) = pools.iter().find(|(of, _)| *of == id) {
            return Some(Arc::clone(pool));
        }
        // A new runtime may come in place of one that has ended, which took its connections with it.
        pools.retain(|(_, pool)| Arc::strong_count(pool) > 1 || pool.sweep());
        let pool = Arc::new(Pool::new(Arc::clone(&self.permits)));
        pools.push((id, Arc::clone(&pool)));
        Some(pool)
    }
}

/// The connections to all addresses.
pub(super) struct Pool {
    hosts: Mutex<Hosts>,
    is_swept: AtomicBool,
    permits: Arc<Permits>,
}

/// Whether it is secured, and where it is.
type Key = (bool, Authority);

#[derive(Default)]
struct Hosts {
    all: HashMap<Key, Arc<Host>>,
    /// The one that was asked for last. Most clients speak to one.
    last: Option<(Key, Arc<Host>)>,
}

impl Pool {
    fn new(permits: Arc<Permits>) -> Self {
        Self { hosts: Mutex::default(), is_swept: AtomicBool::new(false), permits }
    }

    /// The connections to where the URI points. `None` where it points nowhere.
    pub(super) fn host(self: &Arc<Self>, uri: &Uri, connector: &Connector) -> Option<Arc<Host>> {
        let (is_secured, authority) = (uri.scheme() == Some(&Scheme::HTTPS), uri.authority()?);
        let mut hosts = lock(&self.hosts);
        let host = match &hosts.last {
            Some(((secured, last), host))
                if *secured == is_secured && last.as_str() == authority.as_str() =>
            {
                Arc::clone(host)
            }
            _ => hosts.find((is_secured, authority.clone()), uri, connector, &self.permits),
        };
        drop(hosts);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self), self.permits.sweep_every()));
        }
        Some(host)
    }

    /// Drops what was idle for too long, and says whether anything is left.
    fn sweep(&self) -> bool {
        let mut hosts = lock(&self.hosts);
        hosts.last = None;
        hosts.all.retain(|_, host| host.kept.sweep() || Arc::strong_count(host) > 1);
        !hosts.all.is_empty()
    }
}

impl Hosts {
    fn find(&mut self, key: Key, uri: &Uri, connector: &Connector, permits: &Arc<Permits>) -> Arc<Host> {
        let new = || Host::new(uri, connector.protocol_in_advance(uri), permits);
        let host = Arc::clone(self.all.entry(key.clone()).or_insert_with(new));
        self.last = Some((key, Arc::clone(&host)));
        host
    }
}

/// Closes connections that nobody uses, until there are none.
async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            pool.is_swept.store(false, Ordering::Relaxed);
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
