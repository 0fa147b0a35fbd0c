//! One connection, and its streams.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Connection, SendResponse};
use http::{Request, Response};
use http_body::Body;
use reveille_http1::{Interim, Last};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::alive::Alive;
use crate::change::{self, protocol};
use crate::incoming::Incoming;
use crate::outgoing::BoxError;
use crate::said::Said;
use crate::stream::{Changing, Stream};
use crate::watched::{Seen, Watched};

/// A connection of HTTP/2, from its first byte on.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, Response, StatusCode};
/// use http_body_util::{BodyExt as _, Full};
/// use reveille_http1::Last;
/// use reveille_http2::{Bounds, Http2};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (client, socket) = tokio::io::duplex(1024);
/// let served = tokio::spawn(async move {
///     let bounds = Bounds { headers: 16 * 1024, streams: 100, stream: 64 * 1024, connection: 1024 * 1024 };
///     let http2 = Http2 { socket, bounds: &bounds, last: &Last::default() };
///     let echo = |request: http::Request<reveille_http2::Incoming>, interim: reveille_http1::Interim| async move {
///         interim.send(StatusCode::EARLY_HINTS, &HeaderMap::new());
///         let whole = request.into_body().collect().await.map(|body| body.to_bytes());
///         Response::new(Full::new(whole.unwrap_or_default()))
///     };
///     http2.serve(echo).await
/// });
///
/// let (client, connection) = h2::client::handshake(client).await?;
/// tokio::spawn(connection);
/// let request = http::Request::post("http://h/").body(())?;
/// let (answer, mut body) = client.ready().await?.send_request(request, false)?;
/// body.send_data(Bytes::from("hi"), true)?;
/// assert_eq!(answer.await?.into_body().data().await.unwrap()?, "hi");
/// # drop(body);
/// # served.abort();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Http2<'a, S> {
    /// Its bytes.
    pub socket: S,
    /// What its client may do.
    pub bounds: &'a Bounds,
    /// Whether it ends with the requests that are under way. It is looked at when the connection's task is woken.
    pub last: &'a Last,
}

/// What a client may do.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest list of headers of a request, in bytes.
    pub headers: u32,
    /// How many requests it may make at a time.
    pub streams: u32,
    /// How much of one body it may send before somebody reads it, in bytes.
    pub stream: u32,
    /// How much of all bodies, in bytes.
    pub connection: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<'_, S> {
    /// Serves its requests, each in a task of its own. Ends with the connection, and what is being served ends with it.
    ///
    /// # Errors
    /// When the connection breaks, or is none of HTTP/2.
    pub async fn serve<F, A, B>(self, serve: F) -> Result<(), h2::Error>
    where
        F: FnMut(Request<Incoming>, Interim) -> A,
        A: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (socket, seen) = Watched::new(self.socket);
        let mut connection: Connection<_, Bytes> = self.bounds.builder().handshake(socket).await?;
        let mut serving = Serving {
            alive: Alive::new(Arc::clone(&seen), connection.ping_pong()),
            seen,
            streams: JoinSet::new(),
            most: self.bounds.streams as usize,
            last: self.last,
            is_ending: false,
            serve,
        };
        poll_fn(|cx| serving.poll(&mut connection, cx)).await
    }
}

impl Bounds {
    fn builder(&self) -> h2::server::Builder {
        let mut builder = h2::server::Builder::new();
        builder
            .enable_connect_protocol()
            .max_header_list_size(self.headers)
            .max_concurrent_streams(self.streams)
            .initial_window_size(self.stream)
            .initial_connection_window_size(self.connection);
        builder
    }
}

struct Serving<'a, F> {
    alive: Alive,
    seen: Arc<Seen>,
    streams: JoinSet<()>,
    /// How many of them there may be.
    most: usize,
    last: &'a Last,
    /// The client has been told that the connection ends.
    is_ending: bool,
    serve: F,
}

impl<F> Serving<'_, F> {
    fn poll<S, A, B>(
        &mut self,
        connection: &mut Connection<S, Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), h2::Error>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: FnMut(Request<Incoming>, Interim) -> A,
        A: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        if self.last.is_set() && !self.is_ending {
            self.is_ending = true;
            connection.graceful_shutdown();
        }
        if self.alive.poll_gone(cx).is_ready() {
            tracing::debug!("a client is not there any more");
            return Poll::Ready(Ok(()));
        }
        loop {
            self.let_go(cx);
            // A client that resets its requests does not wait until they are let go of. Those that have to wait for that
            // are few: the library ends the connection of a client that resets more.
            if self.streams.len() >= self.most {
                return connection.poll_closed(cx);
            }
            match std::task::ready!(connection.poll_accept(cx)) {
                Some(accepted) => {
                    let (request, respond) = accepted?;
                    self.begin(request, respond);
                }
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Lets go of requests that have been served.
    fn let_go(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.streams.poll_join_next(cx) {
            if let Err(error) = ended {
                // Its stream has been reset with it.
                tracing::error!(%error, "a request could not be served");
            }
        }
    }

    fn begin<A, B>(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>)
    where
        F: FnMut(Request<Incoming>, Interim) -> A,
        A: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let said = Said::new(Arc::clone(&self.seen));
        let (head, receive) = request.into_parts();
        let mut request = Request::from_parts(head, ());
        let method = request.method().clone();
        let (body, change) = if protocol(&request).is_some() {
            (Incoming::nothing(), Some(Changing { receive, make: change::carry(&mut request) }))
        } else {
            (Incoming::of(&request, receive, &said), None)
        };
        let serving = (self.serve)(request.map(|()| body), said.interim());
        self.streams.spawn(Stream { method, respond, said, change }.serve(serving));
    }
}
