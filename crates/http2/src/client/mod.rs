//! The client's side.

mod arriving;
mod driver;
mod error;
mod exchange;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

pub use arriving::Arriving;
pub use driver::Driver;
pub use error::{Error, Unanswered};
pub use exchange::Answer;

use crate::watched::Watched;

/// How much of one answer a server may send before somebody reads it, in bytes.
const STREAM: u32 = 2 * 1024 * 1024;
/// How much of all of them: what few slow readers leave lying keeps nobody else back.
const CONNECTION: u32 = 16 * 1024 * 1024;
/// How much of a request waits for the server, in bytes.
const SENDS: usize = 1024 * 1024;

/// What sends requests on a connection of HTTP/2. The connection ends when all clones, and all that they sent, are
/// dropped.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt as _, Full};
/// use reveille_http2::{Answer, Client};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let (socket, server) = tokio::io::duplex(1024);
/// # tokio::spawn(async move {
/// #     let mut server = h2::server::handshake(server).await.unwrap();
/// #     while let Some(Ok((_, mut answer))) = server.accept().await {
/// #         answer.send_informational(http::Response::builder().status(103).body(()).unwrap()).unwrap();
/// #         let mut body = answer.send_response(http::Response::new(()), false).unwrap();
/// #         body.send_data(Bytes::from("page"), true).unwrap();
/// #     }
/// # });
/// let (client, driver) = Client::begin(socket).await?;
/// tokio::spawn(driver);
/// let request = http::Request::get("http://h/").body(Full::<Bytes>::default())?;
/// let (tell, hints) = std::sync::mpsc::channel();
/// let answer = client.send(request, move |hint| drop(tell.send(hint.status().as_u16()))).await;
/// let Ok(Answer::Arriving(answer)) = answer else { panic!("it is answered") };
/// assert_eq!(answer.into_body().collect().await?.to_bytes(), "page");
/// assert_eq!(hints.recv()?, 103);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    requests: SendRequest<Bytes>,
    line: Arc<Line>,
}

/// What a connection and its streams know of each other.
#[derive(Debug)]
struct Line {
    /// How many exchanges are under way.
    open: AtomicUsize,
    /// The server was asked whether it lives, and said nothing.
    is_silent: AtomicBool,
    /// Dropped with the last of its streams, which tells the driver.
    _lasts: oneshot::Sender<Infallible>,
}

/// An exchange that is under way, until this is dropped.
#[derive(Debug)]
struct Open(Arc<Line>);

impl Client {
    /// Begins a connection. It goes on as long as its driver is polled.
    ///
    /// # Errors
    /// When it breaks at once.
    pub async fn begin<S>(socket: S) -> Result<(Self, Driver<S>), h2::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (socket, seen) = Watched::new(socket);
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM)
            .initial_connection_window_size(CONNECTION)
            .max_send_buffer_size(SENDS)
            .max_header_list_size(16 * 1024)
            // One may go before the server has said how many it takes.
            .initial_max_send_streams(1);
        let (requests, connection) = builder.handshake(socket).await?;
        let (lasts, over) = oneshot::channel();
        let (open, is_silent) = (AtomicUsize::new(0), AtomicBool::new(false));
        let line = Arc::new(Line { open, is_silent, _lasts: lasts });
        let driver = Driver::new(connection, seen, &line, over);
        Ok((Self { requests, line }, driver))
    }

    /// Whether no request can go over it any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // A clone waits for nothing of its own.
        let ready = self.requests.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, std::task::Poll::Ready(Err(_)))
    }

    /// Whether the server takes other protocols on its streams (RFC 8441, section 3), as far as it has said.
    #[must_use]
    pub fn takes_extended(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }
}

impl Line {
    fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// What an error of one of its streams says.
    fn error(&self, error: h2::Error) -> Error {
        if self.is_silent.load(Ordering::Acquire) { Error::Silent } else { Error::Http2(error) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
