//! Connections that have changed over to another protocol, such as WebSocket.

use std::io;
use std::sync::Arc;

use reveille::Tunnel;
use reveille_http2::Change;
use tokio_util::io::InspectReader;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::passage::Telling;

/// How much is read of one side before the other has taken it, in bytes.
const BUFFER: usize = 16 * 1024;

/// Joins the client's connection with the platform's when both have changed over, until one ends or `cut` is.
pub(crate) fn open(
    tunnels: &TaskTracker,
    cut: CancellationToken,
    client: Change,
    platform: impl Future<Output = io::Result<Tunnel>> + Send + 'static,
    telling: Option<Arc<Telling>>,
    keep: impl Send + 'static,
) {
    tunnels.spawn(async move {
        let joined = async {
            let (client, platform) = tokio::try_join!(client.changed(), platform)?;
            let telling = telling.as_deref();
            let count = |count: fn(&Telling, usize)| {
                move |read: &[u8]| telling.into_iter().for_each(|telling| count(telling, read.len()))
            };
            let mut client = InspectReader::new(client, count(Telling::sent));
            let mut platform = InspectReader::new(platform, count(Telling::received));
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut platform, BUFFER, BUFFER).await
        };
        tokio::select! {
            joined = joined => if let Err(error) = joined {
                tracing::debug!(%error, "a tunnel broke");
            },
            () = cut.cancelled() => {}
        }
        drop(keep);
    });
}
