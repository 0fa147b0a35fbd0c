//! Requests that are whole when they are looked at: a head of HTTP/1.1, and a small body of a length.
//!
//! Nearly every request is that, and needs none of what an HTTP library must be ready for: no chunks from the client,
//! no change of protocol, no answer while it is still sending. They are read, served and answered one after the other
//! in the task of their connection. With the first one that is anything else, or is written in a way that leaves a
//! choice, the connection goes to the library, together with all that came of it.

mod answer;
mod head;
mod patience;

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use self::answer::{Afterwards, Answer};
use self::head::Otherwise;
use self::patience::Patience;
use crate::{Interims, Readable, close};

/// The room for a request, in bytes.
const ROOM: usize = 4 * 1024;
/// How much a client may send ahead while its request is being served, in bytes.
const AHEAD: usize = 64 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection while it carries nothing but whole requests: a head of HTTP/1.1 of at most 16 KiB, and a body of at
/// most 64 KiB whose length it says.
///
/// ```
/// use std::time::Duration;
///
/// use http_body_util::Full;
/// use reveille_http1::{Course, Last, Plain, Socket};
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// client.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi").await?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\n\r\n").await?;
///
/// let socket = Socket::new(listener.accept().await?.0);
/// let (last, interims) = (Last::default(), socket.interims());
/// let plain = Plain { socket, within: Duration::from_secs(30), last: &last, interims: &interims };
/// let course = plain.serve(|request| async { Some(http::Response::new(Full::new(request.into_body()))) }).await;
///
/// // The first was one; with the second the connection goes to an HTTP library.
/// let Course::Otherwise(socket, came) = course else { panic!("it goes on") };
/// assert!(came.starts_with(b"GET / HTTP/1.1\r\n"));
/// drop(socket);
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n") && answer.ends_with("\r\n\r\nhi"));
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Plain<'a, S> {
    /// Its bytes. It is shut down when an answer has said that it closes.
    pub socket: S,
    /// How long it waits for the head of a request, from the end of the one before on, and for its body. A body that
    /// comes more slowly is one for the library.
    pub within: Duration,
    /// Whether it ends with the exchange that is under way.
    pub last: &'a Last,
    /// What is sent before the answers.
    pub interims: &'a Interims,
}

/// Whether a connection ends with the exchange that is under way. It is looked at when the connection's task is woken.
#[derive(Debug, Default)]
pub struct Last(AtomicBool);

impl Last {
    /// It does: the answer says so, and where nothing is under way it ends at once.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What becomes of a connection.
#[derive(Debug)]
pub enum Course<S> {
    /// It has ended.
    Over,
    /// A request got no answer.
    Unanswered(S),
    /// What comes next is for an HTTP library, and so is what has come of it already.
    Otherwise(S, BytesMut),
}

/// The client has gone away.
struct Left;

impl<S: AsyncRead + AsyncWrite + Readable + Unpin> Plain<'_, S> {
    /// Serves one request after the other, as long as they are whole and answered. What is being served when the
    /// client goes away is dropped.
    pub async fn serve<F, A, B>(mut self, mut serve: F) -> Course<S>
    where
        F: FnMut(Request<Bytes>) -> A,
        A: Future<Output = Option<Response<B>>>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let mut came = BytesMut::new();
        let mut patience = Patience::new(self.within);
        let mut out = Vec::new();
        loop {
            let request = match self.next(&mut came, &mut patience).await {
                Ok(Some(request)) => request,
                Ok(None) => return Course::Over,
                Err(Otherwise) => return Course::Otherwise(self.socket, came),
            };
            match self.exchange(request, &mut serve, &mut came, &mut out).await {
                Ok(Some(Afterwards::Stays)) => {}
                Ok(Some(Afterwards::Closes)) => {
                    // Whoever has gone away meanwhile is not told.
                    let _ = poll_fn(|cx| Pin::new(&mut self.socket).poll_shutdown(cx)).await;
                    return Course::Over;
                }
                Ok(None) => return Course::Unanswered(self.socket),
                Err(Left) => return Course::Over,
            }
        }
    }

    /// The next request; `None`: the client has gone away, or has said nothing for too long.
    async fn next(
        &mut self,
        came: &mut BytesMut,
        patience: &mut Patience,
    ) -> Result<Option<Request<Bytes>>, Otherwise> {
        let (mut looked_at, mut waiting) = (0, None);
        patience.begin();
        poll_fn(|cx| {
            loop {
                if waiting.is_none() {
                    waiting = head::take(came, &mut looked_at)?;
                }
                if let Some(head) = waiting.take_if(|head| head.length <= came.len()) {
                    let body = came.split_to(head.length).freeze();
                    return Poll::Ready(Ok(Some(head.request.map(|()| body))));
                }
                let is_between = waiting.is_none() && came.is_empty();
                if is_between && self.last.is_set() {
                    return Poll::Ready(Ok(None));
                }
                match self.poll_more(came, cx) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(Ok(None)),
                    Poll::Pending => break,
                }
            }
            ready!(patience.poll_over(cx));
            // The library has more patience with a body.
            let Some(head) = waiting.take() else { return Poll::Ready(Ok(None)) };
            head.put_back(came);
            Poll::Ready(Err(Otherwise))
        })
        .await
    }

    /// Has a request answered; `None`: there is no answer to it.
    async fn exchange<F, A, B>(
        &mut self,
        request: Request<Bytes>,
        serve: &mut F,
        came: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Afterwards>, Left>
    where
        F: FnMut(Request<Bytes>) -> A,
        A: Future<Output = Option<Response<B>>>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let method = request.method().clone();
        let mut turn = self.interims.begin();
        let mut served = pin!(serve(request));
        let socket = &mut self.socket;
        let served = poll_fn(|cx| match served.as_mut().poll(cx) {
            Poll::Ready(served) => Poll::Ready(Ok(served)),
            Poll::Pending => {
                turn.watch(cx);
                poll_said(socket, came, cx).map(Err)
            }
        });
        let Some(mut response) = served.await? else { return Ok(None) };
        let socket = &mut self.socket;
        let ended = poll_fn(|cx| match turn.poll_end(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => poll_said(socket, came, cx).map(Err),
        });
        ended.await?;
        if self.last.is_set() {
            close(&mut response);
        }
        let mut answer = Answer::begin(response, &method, out);
        poll_fn(|cx| match answer.poll_write(&mut self.socket, cx) {
            Poll::Ready(written) => Poll::Ready(written.map(Some).map_err(|error| {
                tracing::debug!(%error, "an answer was broken off");
                Left
            })),
            Poll::Pending => poll_left(&mut self.socket, came, cx).map(Err),
        })
        .await
    }

    /// More of what the client sends; `None`: it has ended.
    fn poll_more(&mut self, came: &mut BytesMut, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        came.reserve(ROOM);
        poll_read_buf(Pin::new(&mut self.socket), cx, came).map(some)
    }
}

/// Writes what is said before the answer. Ready when the client has gone away.
fn poll_said<S: AsyncRead + AsyncWrite + Readable + Unpin>(
    socket: &mut S,
    came: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Left> {
    match Pin::new(&mut *socket).poll_flush(cx) {
        Poll::Ready(Err(_)) => Poll::Ready(Left),
        Poll::Ready(Ok(())) | Poll::Pending => poll_left(socket, came, cx),
    }
}

/// Ready when the client has gone away. What it sends meanwhile is kept.
fn poll_left<S: AsyncRead + Readable + Unpin>(
    socket: &mut S,
    came: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Left> {
    while came.len() < AHEAD {
        // No room is made before there is something for it.
        if ready!(socket.poll_readable(cx)).is_err() {
            return Poll::Ready(Left);
        }
        came.reserve(ROOM);
        if ready!(poll_read_buf(Pin::new(&mut *socket), cx, came).map(some)).is_none() {
            return Poll::Ready(Left);
        }
    }
    Poll::Pending
}

fn some(read: io::Result<usize>) -> Option<usize> {
    read.ok().filter(|read| *read > 0)
}
