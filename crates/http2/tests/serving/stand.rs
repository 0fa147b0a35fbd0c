//! A server, and a client that does as it is told.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use reveille_http1::{Interim, Last};
use reveille_http2::{Bounds, Http2, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What a client may send of one body ahead, and of all.
pub(crate) const WINDOW: u32 = 256 * 1024;
/// How many requests it may make at a time.
pub(crate) const STREAMS: u32 = 64;

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// A server of one connection.
pub(crate) struct Stand {
    pub(crate) served: JoinHandle<Result<(), h2::Error>>,
    end: Arc<(Last, Notify)>,
}

impl Stand {
    /// Serves a connection as `serve` says; the client's side of it is the other part.
    pub(crate) async fn start<F, A>(serve: F) -> (Self, TcpStream)
    where
        F: FnMut(Request<Incoming>, Interim) -> A + Send + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        for stream in [&client, &socket] {
            stream.set_nodelay(true).unwrap();
        }
        let end = Arc::<(Last, Notify)>::default();
        let ends = Arc::clone(&end);
        let served = tokio::spawn(async move {
            let bounds = Bounds { headers: 16 * 1024, streams: STREAMS, stream: WINDOW, connection: WINDOW };
            let mut serving = std::pin::pin!(Http2 { socket, bounds: &bounds, last: &ends.0 }.serve(serve));
            tokio::select! {
                served = serving.as_mut() => return served,
                () = ends.1.notified() => {}
            }
            serving.await
        });
        (Self { served, end }, client)
    }

    /// Lets it end with what is under way.
    pub(crate) fn end(&self) {
        self.end.0.set();
        self.end.1.notify_one();
    }

    /// Waits until its connection has ended.
    pub(crate) async fn ended(self) -> Result<(), h2::Error> {
        soon(self.served).await.unwrap()
    }
}

/// A server, and a library's client of it.
pub(crate) async fn serving<F, A>(serve: F) -> (Stand, Client)
where
    F: FnMut(Request<Incoming>, Interim) -> A + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let (stand, stream) = Stand::start(serve).await;
    (stand, Client::over(stream).await)
}

#[derive(Clone)]
pub(crate) struct Client(SendRequest<Bytes>);

impl Client {
    pub(crate) async fn over(stream: TcpStream) -> Self {
        let (client, mut connection) =
            h2::client::Builder::new().initial_window_size(WINDOW).handshake(stream).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        tokio::spawn(connection);
        // What the server takes it has said before it answers a PING.
        soon(pings.ping(h2::Ping::opaque())).await.unwrap();
        Self(client)
    }

    /// Whether the server takes extended CONNECT requests.
    pub(crate) fn may_change(&self) -> bool {
        self.0.is_extended_connect_protocol_enabled()
    }

    /// Asks without a body.
    pub(crate) async fn ask(&self, method: Method) -> Result<Response<RecvStream>, h2::Error> {
        let request = Request::builder().method(method).uri("http://h/").body(()).unwrap();
        let mut client = soon(self.0.clone().ready()).await?;
        soon(client.send_request(request, true)?.0).await
    }

    /// Begins a request that has a body.
    pub(crate) async fn begin(
        &self,
        request: http::request::Builder,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let mut client = soon(self.0.clone().ready()).await.unwrap();
        client.send_request(request.uri("http://h/").body(()).unwrap(), false).unwrap()
    }

    /// Asks for a change of the stream.
    pub(crate) async fn change(
        &self,
        protocol: &'static str,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        self.begin(Request::connect("/").extension(h2::ext::Protocol::from_static(protocol))).await
    }
}

/// What comes, and not too late.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

/// The body of an answer, whole.
pub(crate) async fn whole(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(piece) = soon(body.data()).await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Sends all of this as fast as it is taken.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = soon(std::future::poll_fn(|cx| stream.poll_capacity(cx))).await;
        let room = room.ok_or(h2::Error::from(h2::Reason::STREAM_CLOSED))??;
        stream.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}

pub(crate) fn answer(body: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(body.into()).map_err(never).boxed_unsync())
}

/// A body of what is sent to it; it ends cleanly when nobody sends any more.
pub(crate) fn streamed() -> (mpsc::Sender<std::io::Result<Frame<Bytes>>>, UnsyncBoxBody<Bytes, std::io::Error>)
{
    let (send, mut sent) = mpsc::channel(1);
    let frames = futures_util::stream::poll_fn(move |cx| sent.poll_recv(cx));
    (send, StreamBody::new(frames).boxed_unsync())
}

fn never(never: Infallible) -> std::io::Error {
    match never {}
}
