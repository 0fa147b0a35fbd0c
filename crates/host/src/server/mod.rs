//! The listener: connections, credentials, and which room a request goes to.

mod connection;
mod front;
mod received;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use front::Front;

/// What the listener is bound by.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    pub(crate) head: Duration,
    pub(crate) drain: Duration,
}

/// Accepts connections until it is told to stop; ends when all of them have.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, bounds: Bounds, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
    // Ends what has not ended by itself when the time to drain is over.
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, client, permit)) = accepted else { continue };
        let front = Arc::clone(&front);
        let serving = connection::serve(stream, client, front, bounds.head, stop.clone(), cut.clone());
        connections.spawn(async move {
            serving.await;
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.drain, connections.wait()).await.is_err() {
        cut.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, client)) => Some((stream, client, permit)),
        Err(error) => {
            // A connection that ended at once, or no file left to open: others may end meanwhile.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// How many connections there can be, with what each takes of the files that may be open.
pub(crate) fn connections(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    // One to the client, one to the agent, and room for everything else.
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    let possible = usize::try_from(files.saturating_sub(128) / 2).unwrap_or(usize::MAX);
    wanted.min(possible).max(1)
}
