//! Connections, as many as there may be.

use std::sync::Arc;
use std::time::Duration;

use reveille_http1::Workers;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::crossing::Crossing;
use crate::refusal;

/// How long to wait where no connection can be accepted: until a file is closed somewhere.
const NO_ROOM: Duration = Duration::from_millis(50);

/// Serves connections until the relay stops; ends when all of them have, or the time to drain is over.
pub(crate) async fn serve(
    listener: TcpListener,
    crossing: Arc<Crossing>,
    connections: usize,
    drain: Duration,
) {
    let (places, running) = (Arc::new(Semaphore::new(connections)), TaskTracker::new());
    // Of the kind on which the SDK leaves the streams that begin there.
    let workers = Workers::start(&RuntimeFlavor::MultiThread, &Handle::current());
    let (stop, cut) = (crossing.stop.clone(), crossing.cut.clone());
    let tunnels = crossing.tunnels.clone();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let crossing = Arc::clone(&crossing);
                    let serve = async move |stream| {
                        connection::serve(stream, crossing).await;
                        drop(place);
                    };
                    workers.serve(stream, serve, &running);
                }
                Err(_) => turn_away(&stream),
            },
            Err(error) => {
                // A connection that ended at once, or no file left to open.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
    drop((listener, crossing));
    running.close();
    tunnels.close();
    let ended = async {
        running.wait().await;
        tunnels.wait().await;
    };
    if tokio::time::timeout(drain, ended).await.is_err() {
        cut.cancel();
        running.wait().await;
        tunnels.wait().await;
    }
}

/// Tells whoever cannot be served, as far as that goes without waiting, that nobody has seen its request.
fn turn_away(stream: &TcpStream) {
    // It may be gone already, and is told no more than fits.
    drop(stream.try_write(&refusal::written_out(refusal::full())));
}
