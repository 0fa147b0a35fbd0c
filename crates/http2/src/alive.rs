//! Whether the client of a connection is still there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use crate::watched::Seen;

/// How long a client may be silent before it is asked whether it is there.
const SILENT: Duration = Duration::from_secs(30);
/// How long it has to say something then.
const ASKED: Duration = Duration::from_secs(20);

/// Asks a silent client whether it is there. Whatever comes of it is an answer.
#[derive(Debug)]
pub(crate) struct Alive {
    seen: Arc<Seen>,
    pings: Option<PingPong>,
    timer: Pin<Box<Sleep>>,
    is_asked: bool,
}

impl Alive {
    pub(crate) fn new(seen: Arc<Seen>, pings: Option<PingPong>) -> Self {
        Self { seen, pings, timer: Box::pin(tokio::time::sleep(SILENT)), is_asked: false }
    }

    /// Ready when the client has not been there for too long.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let was_heard = self.seen.take_heard();
            if self.is_asked && !was_heard {
                return Poll::Ready(());
            }
            self.is_asked = !was_heard;
            if self.is_asked {
                self.ask(cx);
            }
            let next = if self.is_asked { ASKED } else { SILENT };
            self.timer.as_mut().reset(Instant::now() + next);
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        let Some(pings) = &mut self.pings else { return };
        // An answer to the one before makes room for the next one.
        let _ = pings.poll_pong(cx);
        if let Err(error) = pings.send_ping(Ping::opaque()) {
            tracing::debug!(%error, "a silent client is not asked whether it is there");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use reveille_http1::Last;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::{Bounds, Http2};

    /// A connection on which nothing is ever answered, and the client's side of it.
    fn serving() -> (JoinHandle<Result<(), h2::Error>>, DuplexStream) {
        let (client, socket) = tokio::io::duplex(64 * 1024);
        let served = tokio::spawn(async move {
            let bounds =
                Bounds { headers: 16 * 1024, streams: 100, stream: 64 * 1024, connection: 64 * 1024 };
            let http2 = Http2 { socket, bounds: &bounds, last: &Last::default() };
            http2.serve(|_, _| pending::<Response<Full<Bytes>>>()).await
        });
        (served, client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_gone_is_noticed() {
        let (served, mut client) = serving();
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let began = Instant::now();
        served.await.unwrap().unwrap();
        // What it said first is heard when it is asked for the first time.
        assert!(began.elapsed() <= 2 * SILENT + ASKED, "{:?}", began.elapsed());
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        assert!(said.windows(5).any(|bytes| bytes == [0, 8, 6, 0, 0]), "it was asked: {said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_gone_too() {
        let (client, socket) = tokio::io::duplex(16);
        let served = tokio::spawn(async move {
            let bounds =
                Bounds { headers: 16 * 1024, streams: 100, stream: 64 * 1024, connection: 64 * 1024 };
            let http2 = Http2 { socket, bounds: &bounds, last: &Last::default() };
            http2.serve(|_, _| async { Response::new(Full::new(Bytes::from(vec![0; 1024 * 1024]))) }).await
        });
        let (mut read, mut write) = tokio::io::split(client);
        let ask = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01h";
        let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let reading = async { read.read_exact(&mut [0; 64]).await };
        let writing = async {
            write.write_all(settings).await?;
            write.write_all(ask).await
        };
        tokio::try_join!(reading, writing).unwrap();
        served.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_that_is_there_stays() {
        let (served, client) = serving();
        let (client, connection) = h2::client::handshake(client).await.unwrap();
        tokio::spawn(connection);
        let (mut answer, _) =
            client.ready().await.unwrap().send_request(http::Request::new(()), true).unwrap();
        let hours = tokio::time::timeout(Duration::from_secs(3 * 60 * 60), &mut answer).await;
        assert!(hours.is_err() && !served.is_finished(), "{hours:?}");
    }
}
