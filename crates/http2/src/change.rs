//! Connections, and streams of one, that change over to another protocol.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{RecvStream, SendStream};
use http::Request;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::either::Either;

/// The client's side of what a request asks to change over, whichever version of HTTP it came in: by `Upgrade` its
/// connection, and by an extended `CONNECT` (RFC 8441) its stream.
///
/// It has changed when the answer that says so is on its way: 101, or over HTTP/2 any success.
///
/// ```
/// use reveille_http2::Change;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut request = http::Request::new(());
/// let change = Change::of(&mut request);
/// assert!(change.changed().await.is_err(), "it came over no connection");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Change(Of);

#[derive(Debug)]
enum Of {
    Connection(OnUpgrade),
    Stream(oneshot::Receiver<Duplex>),
}

/// The bytes of a client that has changed over.
pub type Changed = Either<TokioIo<Upgraded>, Duplex>;

/// The bytes of a stream. Dropped before it is shut down it resets the stream.
#[derive(Debug)]
pub struct Duplex {
    receive: RecvStream,
    /// What came of the client and is not read yet.
    came: Bytes,
    send: SendStream<Bytes>,
    is_shut: bool,
    /// Dropped with it, which tells whoever has made it.
    _lasts: oneshot::Sender<Infallible>,
}

/// Where a request carries its stream's.
#[derive(Clone, Debug)]
struct Carried(Arc<Mutex<Option<oneshot::Receiver<Duplex>>>>);

/// Which protocol a request asks its stream of HTTP/2 to change over to.
///
/// ```
/// let mut request = http::Request::new(());
/// assert_eq!(reveille_http2::protocol(&request), None);
/// request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
/// assert_eq!(reveille_http2::protocol(&request), Some("websocket"));
/// ```
pub fn protocol<B>(request: &Request<B>) -> Option<&str> {
    request.extensions().get::<h2::ext::Protocol>().map(h2::ext::Protocol::as_str)
}

impl Change {
    /// The one that this request asks for. Where it asks for none, there is none.
    pub fn of<B>(request: &mut Request<B>) -> Self {
        let carried = request.extensions_mut().remove::<Carried>();
        let stream = carried.and_then(|Carried(it)| it.lock().unwrap_or_else(PoisonError::into_inner).take());
        Self(stream.map_or_else(|| Of::Connection(hyper::upgrade::on(request)), Of::Stream))
    }

    /// The client's bytes, once it has changed.
    ///
    /// # Errors
    /// When it does not: the request was answered in another way, or its client has gone.
    pub async fn changed(self) -> io::Result<Changed> {
        match self.0 {
            Of::Connection(connection) => {
                let changed = connection.await.map_err(io::Error::other)?;
                Ok(Either::Left(TokioIo::new(changed)))
            }
            Of::Stream(stream) => stream.await.map(Either::Right).map_err(io::Error::other),
        }
    }
}

/// Has a request carry the change of its stream; returned is who makes it.
pub(crate) fn carry(request: &mut Request<()>) -> oneshot::Sender<Duplex> {
    let (make, made) = oneshot::channel();
    request.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(made)))));
    make
}

impl Duplex {
    /// One, and what comes to an end with it.
    pub(crate) fn new(receive: RecvStream, send: SendStream<Bytes>) -> (Self, oneshot::Receiver<Infallible>) {
        let (lasts, over) = oneshot::channel();
        (Self { receive, came: Bytes::new(), send, is_shut: false, _lasts: lasts }, over)
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.came.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(came) => self.came = came.map_err(broken)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.came.len().min(buffer.remaining());
        buffer.put_slice(&self.came[..length]);
        self.came.advance(length);
        // A stream that has ended meanwhile needs no room.
        let _ = self.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(poll_room(&mut self.send, cx)).map_err(broken)?;
        self.send.send_data(Bytes::copy_from_slice(bytes), false).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            self.is_shut = true;
            self.send.send_data(Bytes::new(), true).map_err(broken)?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Waits until the client takes at least something. What is sent then may be longer: the rest of it waits in the
/// stream, and nothing more is sent until that has gone.
pub(crate) fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    if stream.capacity() > 0 {
        return Poll::Ready(Ok(()));
    }
    // No more than that: room for what is not there yet would be kept from other streams.
    stream.reserve_capacity(1);
    loop {
        match ready!(stream.poll_capacity(cx)) {
            Some(Ok(0)) => {}
            Some(Ok(_)) => return Poll::Ready(Ok(())),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => return Poll::Ready(Err(h2::Reason::STREAM_CLOSED.into())),
        }
    }
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::BrokenPipe };
    io::Error::new(kind, error)
}
