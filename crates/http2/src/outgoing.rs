//! What goes out on a stream: headers that HTTP/2 may have, and a body to its end.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http_body::{Body, Frame};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What belongs to a connection of HTTP/1.1 (RFC 9113, section 8.2.2).
const OF_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Why a body does not end as it should.
enum Broken {
    /// The peer does not want it, or has gone.
    Unwanted(h2::Error),
    /// There is no more of it than has gone out.
    Body(BoxError),
    /// It is not as long as was said.
    Length,
}

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        Self::Unwanted(error)
    }
}

pub(crate) fn leave_out_of_connection(headers: &mut HeaderMap) {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
}

/// How long a message says that it is.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body, and where it goes.
pub(crate) struct Outgoing<B> {
    pub(crate) body: B,
    pub(crate) stream: SendStream<Bytes>,
    /// How much is still to come, where that was announced.
    pub(crate) left: Option<u64>,
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Sends it to its end. Where it breaks, or is not as long as was said, its stream is reset.
    pub(crate) async fn send(mut self) {
        let Err(broken) = self.send_all().await else { return };
        match broken {
            Broken::Unwanted(error) => tracing::debug!(%error, "a body is not wanted any more"),
            Broken::Body(error) => tracing::debug!(error = &*error as &dyn Error, "a body was broken off"),
            Broken::Length => tracing::debug!("a body is not as long as was said"),
        }
        self.stream.send_reset(Reason::INTERNAL_ERROR);
    }

    async fn send_all(&mut self) -> Result<(), Broken> {
        loop {
            let Some(frame) = poll_fn(|cx| self.poll_next(cx)).await? else {
                self.end()?;
                return Ok(self.stream.send_data(Bytes::new(), true)?);
            };
            match frame.into_data() {
                Ok(bytes) => {
                    self.count(bytes.len())?;
                    let is_last = self.body.is_end_stream();
                    if is_last {
                        self.end()?;
                    }
                    if !bytes.is_empty() {
                        poll_fn(|cx| self.poll_room(cx)).await?;
                    }
                    self.stream.send_data(bytes, is_last)?;
                    if is_last {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    self.end()?;
                    return Ok(self.stream.send_trailers(trailers)?);
                }
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        self.check(cx)?;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.transpose().map_err(|error| Broken::Body(error.into())))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.check(cx)?;
        poll_room(&mut self.stream, cx).map_err(Broken::Unwanted)
    }

    /// Whether the peer still wants it; wakes this task when it does not.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        match self.stream.poll_reset(cx) {
            Poll::Ready(reason) => Err(Broken::Unwanted(reason.map_or_else(|error| error, h2::Error::from))),
            Poll::Pending => Ok(()),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Broken> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(bytes as u64).ok_or(Broken::Length)?;
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Broken> {
        if self.left.is_none_or(|left| left == 0) { Ok(()) } else { Err(Broken::Length) }
    }
}

/// Waits until the peer takes at least something. What is sent then may be longer: the rest of it waits in the
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
