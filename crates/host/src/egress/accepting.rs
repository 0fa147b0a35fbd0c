//! Connections of a sandbox, so many at a time.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use reveille_wire::hop;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long a client may take for the head of a request, and to agree on a secured connection.
pub(super) const HEAD: Duration = Duration::from_secs(30);
/// How long is waited where no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves each connection to a listener to its end, or to the end of all.
pub(super) async fn accept<F>(
    listener: TcpListener,
    connections: usize,
    end: &CancellationToken,
    serve: impl Fn(TcpStream) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a sandbox's connection was not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (served, end) = (serve(stream), end.clone());
        tokio::spawn(async move {
            end.run_until_cancelled_owned(served).await;
            drop(place);
        });
    }
}

/// How requests of a sandbox are read.
pub(super) fn server() -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(hop::MAX_HEAD)
        .max_headers(hop::MAX_HEADERS);
    server
}
