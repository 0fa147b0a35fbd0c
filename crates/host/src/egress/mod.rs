//! The way out of sandboxes that have a network of their own.
//!
//! Inside there is loopback and nothing else. On it a proxy listens, for HTTPS by `CONNECT` (RFC 9110, section 9.3.6)
//! and for plain HTTP; its socket was made in the sandbox's network, and the host answers it. So what a sandbox
//! reaches is what the host connects to for it: names that its [`Domains`] allow, at addresses that are on the
//! internet. The machine's own loopback and private networks are not.

mod address;
mod domains;
mod proxy;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use domains::{Domain, Domains};

/// How many connections of one sandbox are served at a time. More wait.
const CONNECTIONS: usize = 256;

/// What answers the proxies of all sandboxes, on a thread of its own.
pub(crate) struct Egress {
    to_the_thread: UnboundedSender<Task>,
}

/// A proxy that is to be answered.
struct Task {
    listener: TcpListener,
    rules: watch::Receiver<Arc<Domains>>,
    end: CancellationToken,
}

/// A proxy is answered until this is dropped, and so are its connections.
#[derive(Debug)]
pub(crate) struct WayOut {
    rules: watch::Sender<Arc<Domains>>,
    _end: DropGuard,
}

impl WayOut {
    /// From now on these rules hold. What is open to a name that they do not allow is cut.
    pub(crate) fn change(&self, rules: Domains) {
        self.rules.send_replace(Arc::new(rules));
    }
}

impl Egress {
    /// Starts the thread. It ends when this is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
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
        Ok(Self { to_the_thread })
    }

    /// Answers the proxy of one sandbox by these rules.
    pub(crate) fn answer(&self, listener: TcpListener, rules: Domains) -> WayOut {
        let end = CancellationToken::new();
        let (rules, known) = watch::channel(Arc::new(rules));
        let task = Task { listener, rules: known, end: end.clone() };
        // The thread is gone only when the process ends.
        self.to_the_thread.send(task).ok();
        WayOut { rules, _end: end.drop_guard() }
    }
}

async fn answer(task: Task) {
    let Task { listener, rules, end } = task;
    let served = end.run_until_cancelled(proxy::serve(listener, rules, CONNECTIONS, end.clone())).await;
    if let Some(Err(error)) = served {
        tracing::warn!(%error, "a sandbox's way out is closed");
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}
