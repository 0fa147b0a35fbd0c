//! Connections, and streams of one, that change over to another protocol.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_util::either::Either;

use crate::Duplex;

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

/// Where a request carries its stream's.
#[derive(Clone, Debug)]
struct Carried(Arc<Mutex<Option<oneshot::Receiver<Duplex>>>>);

/// Which protocol a request asks its stream of HTTP/2 to change over to (RFC 8441, section 4).
///
/// ```
/// let mut request = http::Request::connect("http://h/").body(())?;
/// assert_eq!(reveille_http2::protocol(&request), None);
/// request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
/// assert_eq!(reveille_http2::protocol(&request), Some("websocket"));
/// # Ok::<(), http::Error>(())
/// ```
pub fn protocol<B>(request: &Request<B>) -> Option<&str> {
    if *request.method() != Method::CONNECT {
        return None;
    }
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
