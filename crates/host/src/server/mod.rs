//! The listener: connections, credentials, and which room a request goes to.

mod access;
mod answer;
mod connection;
mod crowd;
mod entry;
mod front;
mod mounting;
mod received;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reveille_http1::Workers;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Visit;
use self::crowd::Crowd;
use crate::gateway::refusal;

pub(crate) use access::AccessLog;
pub(crate) use front::Front;

/// How long to wait for a file after somebody was told to leave.
const MADE_ROOM: Duration = Duration::from_millis(2);
/// How long to wait where nobody can be told to.
const NO_ROOM: Duration = Duration::from_millis(50);

/// What the listener is bound by.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    pub(crate) head: Duration,
    pub(crate) drain: Duration,
    /// Ends the time to drain early.
    pub(crate) drained: CancellationToken,
}

/// Serves connections until it is told to stop; ends when all of them have.
///
/// Once it is told, requests are refused, on connections that are there and on new ones, and those that are running
/// get the time to drain.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, bounds: Bounds, stop: CancellationToken) {
    let server = Server {
        crowd: Crowd::new(bounds.connections),
        workers: Workers::start(&RuntimeFlavor::CurrentThread, &Handle::current()),
        listener,
        front,
        head: bounds.head,
        stop: stop.clone(),
        cut: CancellationToken::new(),
    };
    let (running, late) = (TaskTracker::new(), TaskTracker::new());
    server.accept_until(&running, stop.cancelled()).await;
    server.front.stop();
    running.close();
    late.close();
    let ended = tokio::time::timeout(bounds.drain, running.wait());
    let drained = async {
        let _in_time = bounds.drained.run_until_cancelled(ended).await;
    };
    server.accept_until(&late, drained).await;
    // Ends what has not ended by itself when the time to drain is over.
    server.cut.cancel();
    drop(server.listener);
    running.wait().await;
    late.wait().await;
}

struct Server {
    listener: TcpListener,
    workers: Workers,
    crowd: Arc<Crowd>,
    front: Arc<Front>,
    head: Duration,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Server {
    async fn accept_until(&self, connections: &TaskTracker, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            let accepted = tokio::select! {
                () = &mut end => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.welcome(stream, client, connections),
                Err(error) => {
                    // No file left to open, mostly: somebody leaves. Or a connection that ended at once.
                    tracing::warn!(%error, "a connection could not be accepted");
                    let pause = if self.crowd.make_room() { MADE_ROOM } else { NO_ROOM };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn welcome(&self, stream: TcpStream, client: SocketAddr, connections: &TaskTracker) {
        let Ok(held) = self.crowd.enter() else {
            turn_away(&stream);
            return;
        };
        let visit = Visit {
            client,
            held,
            front: Arc::clone(&self.front),
            head: self.head,
            stop: self.stop.clone(),
            cut: self.cut.clone(),
        };
        self.workers.serve(stream, |stream| connection::serve(stream, visit), connections);
    }
}

/// Tells whoever cannot be served, as far as that goes without waiting, that nobody has seen its request.
fn turn_away(stream: &TcpStream) {
    let refusal = refusal::unavailable("the host serves as many connections as it can");
    // It may be gone already, and is told no more than fits.
    drop(stream.try_write(&answer::written_out(refusal)));
}

/// For how many sandboxes there is room beside all connections, and how many files a host has open for each.
const SANDBOXES: u64 = 4096;
const OF_A_SANDBOX: u64 = 6;

/// How many connections there can be. The limit of files that may be open is raised for them where that is allowed.
pub(crate) fn connections(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted.clamp(1, 256) };
    // One to the client, one to the agent, one kept to a server; what sandboxes have open, awake or not; and room for
    // everything else.
    let needed =
        (wanted as u64).saturating_mul(3).saturating_add(SANDBOXES * OF_A_SANDBOX).saturating_add(512);
    let raised = needed.min(hard);
    let files =
        if raised > soft && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() { raised } else { soft };
    let possible = usize::try_from(files.saturating_sub(256) / 3).unwrap_or(usize::MAX);
    wanted.min(possible).max(1)
}
