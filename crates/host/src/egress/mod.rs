//! The way out of sandboxes that have a network of their own.
//!
//! Inside there is loopback and nothing else. On it a proxy listens, for HTTPS by `CONNECT` (RFC 9110, section 9.3.6)
//! and for plain HTTP; its socket was made in the sandbox's network, and the host answers it. So what a sandbox
//! reaches is what the host connects to for it: names that its [`Policy`] allows, at addresses that are on the
//! internet. The machine's own loopback and private networks are not; the host's own previews are, by their names.
//!
//! Where a [`Route`] leads, and at the previews, the host takes the place of what is asked for: it ends the secured
//! connection itself, with a certificate of its own authority, and sends on what it was asked with what the route
//! adds. Secrets are put in their places there, so that they never enter a sandbox. So it does where a [`Pattern`]
//! allows some requests only, and reads each. All else is passed on unseen.
//!
//! ```text
//! program ──CONNECT──► proxy ── no route ──► bytes, both ways, unseen ──► outside
//!                        │
//!                        └── route ──► exchange: whose Host? + headers, fields, secrets ──TLS──► outside
//! ```

mod accepting;
mod address;
pub(crate) mod authority;
mod domains;
mod doors;
mod exchange;
mod outside;
mod paths;
mod pattern;
mod plain;
mod policy;
mod proxy;
mod refused;
mod routing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use authority::Authority;
pub use domains::{Domain, Domains};
use exchange::Terms;
pub use outside::Doors;
use outside::{Outside, bare};
pub use pattern::Pattern;
pub use policy::Policy;
use proxy::Proxy;
pub use routing::{Destination, Route, Routing};

/// How many connections of one sandbox are served at a time. More wait.
const CONNECTIONS: usize = 256;

/// What a sandbox may reach and what is added on the way, as it changes.
type Rules = watch::Receiver<Arc<Policy>>;

/// What answers the proxies of all sandboxes, on a thread of its own.
pub(crate) struct Egress {
    to_the_thread: UnboundedSender<Task>,
    outside: Arc<Outside>,
    authority: Option<Arc<Authority>>,
}

/// What a sandbox meets on its own loopback.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Its proxy.
    pub(crate) proxy: TcpListener,
    /// The host's previews, at the address that the host has outside.
    pub(crate) doors: Option<TcpListener>,
}

/// A proxy that is to be answered.
struct Task {
    listeners: Listeners,
    proxy: Proxy,
}

/// A proxy is answered until this is dropped, and so are its connections.
#[derive(Debug)]
pub(crate) struct WayOut {
    rules: watch::Sender<Arc<Policy>>,
    _end: DropGuard,
}

impl WayOut {
    /// From now on this policy holds. What is open to a name that it does not allow is cut.
    pub(crate) fn change(&self, policy: Policy) {
        self.rules.send_replace(Arc::new(policy));
    }
}

impl Egress {
    /// Starts the thread. It ends when this is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(authority: Option<Authority>, doors: Option<Doors>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (to_the_thread, mut tasks) = unbounded_channel::<Task>();
        thread::Builder::new().name("egress".to_owned()).spawn(move || {
            runtime.block_on(async {
                while let Some(task) = tasks.recv().await {
                    tokio::spawn(answer(task));
                }
            });
            runtime.shutdown_background();
        })?;
        let (outside, authority) = (Arc::new(Outside::new(doors)), authority.map(Arc::new));
        Ok(Self { to_the_thread, outside, authority })
    }

    /// The authority whose certificates sandboxes meet, where there is one.
    pub(crate) fn authority(&self) -> Option<&Authority> {
        self.authority.as_deref()
    }

    /// The port on a sandbox's loopback at which the previews are to be.
    pub(crate) fn doors_inside(&self) -> Option<u16> {
        self.outside.doors_inside()
    }

    /// Answers the proxy of one sandbox by this policy.
    pub(crate) fn answer(&self, listeners: Listeners, policy: Policy) -> WayOut {
        let end = CancellationToken::new();
        let (rules, known) = watch::channel(Arc::new(policy));
        let terms = Terms::new(Arc::clone(&self.outside), known, end.clone());
        let task = Task { listeners, proxy: Proxy { terms, authority: self.authority.clone() } };
        // The thread is gone only when the process ends.
        self.to_the_thread.send(task).ok();
        WayOut { rules, _end: end.drop_guard() }
    }
}

async fn answer(Task { listeners, proxy }: Task) {
    let Listeners { proxy: listener, doors } = listeners;
    let previews = async {
        match doors {
            Some(doors) => doors::serve(doors, proxy.terms.clone(), CONNECTIONS).await,
            None => Ok(()),
        }
    };
    // The doors are closed first, so that whoever finds the port of the proxy free finds theirs free.
    let both = async { tokio::try_join!(previews, proxy::serve(listener, proxy.clone(), CONNECTIONS)) };
    if let Some(Err(error)) = proxy.terms.end.run_until_cancelled(both).await {
        tracing::warn!(%error, "a sandbox's way out is closed");
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}
