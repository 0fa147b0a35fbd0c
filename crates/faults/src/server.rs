//! The server: its thread, its address, and what can be asked of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::arrivals::{Arrival, Counts, Log, State};
use crate::connection::{self, Context};
use crate::error::{Error, ErrorKind};
use crate::script::Script;
use crate::turns::Turns;
use crate::watching::{Feed, Wait};

/// A running server. Dropping it ends it and every connection it has.
///
/// It runs on a thread of its own, so it is started the same way inside a runtime and outside of
/// one, and outlives the runtimes of the tests that use it. HTTP/1.1 and HTTP/2 are told apart by
/// the first bytes of a connection.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    log: Arc<Log>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Listen {
    address: SocketAddr,
    reach: Reach,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    ThisMachine,
    Anywhere,
}

impl Listen {
    /// A free port on 127.0.0.1.
    pub fn loopback() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// This address, which has to be a loopback address.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, reach: Reach::ThisMachine }
    }

    /// Allows an address that other machines can reach.
    pub fn reachable_from_anywhere(mut self) -> Self {
        self.reach = Reach::Anywhere;
        self
    }
}

impl FaultServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// The machine has no port, thread or descriptor to give.
    pub fn start(script: impl Into<Script>) -> Result<Self, Error> {
        Self::start_at(script, Listen::loopback())
    }

    /// Starts a server at a chosen address.
    ///
    /// # Errors
    ///
    /// The address is taken, or it is not a loopback address and that was not allowed.
    pub fn start_at(script: impl Into<Script>, listen: Listen) -> Result<Self, Error> {
        let Listen { address, reach } = listen;
        if reach == Reach::ThisMachine && !address.ip().is_loopback() {
            let message = format!("{address} can be reached from other machines; use a loopback address");
            return Err(Error::new(ErrorKind::Exposed, message));
        }
        let failed = |source: io::Error| {
            Error::new(ErrorKind::Listen, format!("cannot listen at {address}: {source}")).caused_by(source)
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let listener = {
            let _inside = handle.enter();
            TcpListener::from_std(listener).map_err(failed)?
        };
        let log = Arc::new(Log::new());
        let context = Arc::new(Context { log: Arc::clone(&log), turns: Turns::new(script.into()) });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("reveille-faults".to_owned())
            .spawn(move || runtime.block_on(accept(listener, context, stopped)))
            .map_err(failed)?;
        Ok(Self { address, log, runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// The address it listens at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order in which the heads arrived.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.log.read().kept.iter().cloned().collect()
    }

    /// Every request so far with this method.
    #[must_use]
    pub fn arrivals_of(&self, method: &str) -> Vec<Arrival> {
        self.log.read().kept.iter().filter(|arrival| arrival.method == method).cloned().collect()
    }

    /// The counters as they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.log.read().counts
    }

    /// Waits until this many requests have arrived, and gives all that have.
    pub fn wait_for_arrivals(&self, at_least: u64) -> Wait<Vec<Arrival>> {
        self.wait_until(format!("{at_least} arrivals"), move |state| {
            (state.counts.arrivals >= at_least).then(|| state.kept.iter().cloned().collect())
        })
    }

    /// Waits until no connection is open.
    pub fn wait_for_closed(&self) -> Wait<Counts> {
        self.wait_for_counts("no open connection", |counts| counts.open == 0)
    }

    /// Waits until the client has given up this many exchanges.
    pub fn wait_for_cancelled(&self, at_least: u64) -> Wait<Counts> {
        self.wait_for_counts(&format!("{at_least} cancelled"), move |counts| counts.cancelled >= at_least)
    }

    /// Waits until the counters are as wanted; `what` names it should it not happen.
    pub fn wait_for_counts(
        &self,
        what: &str,
        wanted: impl Fn(&Counts) -> bool + Send + 'static,
    ) -> Wait<Counts> {
        self.wait_until(what.to_owned(), move |state| wanted(&state.counts).then_some(state.counts))
    }

    fn wait_until<T: Send + 'static>(
        &self,
        what: String,
        ready: impl Fn(&State) -> Option<T> + Send + 'static,
    ) -> Wait<T> {
        Wait::begin(&self.runtime, Arc::clone(&self.log), what, ready)
    }

    /// The arrivals one by one, from the first one on, each as soon as nothing more of its body is
    /// going to be read. This is what a command line prints.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed::new(Arc::clone(&self.log))
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed there; a second one here would hide the test's own.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, context: Arc<Context>, mut stopped: oneshot::Receiver<()>) {
    /// Long enough not to spin when descriptors have run out, short enough not to be noticed.
    const PAUSE: Duration = Duration::from_millis(10);
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection::serve(stream, Arc::clone(&context)));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
