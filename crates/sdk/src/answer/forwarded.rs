use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use http::header::PROXY_AUTHENTICATE;
use http::{HeaderMap, StatusCode, Version};
use http_body::{Frame, SizeHint};
use reveille_retry::{History, StopReason};
use reveille_wire::hop;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;

use super::{Arriving, Begun};
use crate::core::transport::{Broken, Change, Switched};
use crate::error::Error;
use crate::record::Record;

/// The answer to a request that was handed on, to be handed back: headers without those of the connection that it came
/// on, the body as it comes, trailers.
pub struct Forwarded {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    record: Record,
    body: ForwardedBody,
    change: Option<Change>,
}

impl Forwarded {
    pub(crate) fn of(mut answer: Box<Begun>) -> Result<Self, Error> {
        let protocol = hop::upgrade(&answer.headers);
        if let Err(unknown) = hop::strip(&mut answer.headers) {
            let whole = answer.into_whole();
            return Err(Error::of_decode(whole.answered, whole.record, unknown));
        }
        let Begun { status, version, mut headers, body, record, change } = *answer;
        headers.remove(PROXY_AUTHENTICATE);
        let changes = status == StatusCode::SWITCHING_PROTOCOLS;
        if let Some(protocol) = protocol.filter(|_| changes) {
            hop::write_upgrade(&mut headers, protocol);
        }
        let body = ForwardedBody::new(body, &record);
        Ok(Self { status, version, headers, record, body, change: change.filter(|_| changes) })
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The version of HTTP that was spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Every attempt up to the head of this answer.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.record.history
    }

    /// Why this answer is the last one although it speaks of the resume window: the retries were spent, say.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.record.stop
    }

    /// The bytes that both ends speak from here on, where the answer changes over to another protocol (101). They come
    /// once the other end has changed over, too.
    ///
    /// # Errors
    /// When the connection ended before that.
    pub fn tunnel(&mut self) -> Option<impl Future<Output = io::Result<Tunnel>> + Send + 'static> {
        let change = self.change.take()?;
        Some(async { Ok(Tunnel(change.await?)) })
    }

    /// Status, headers and body.
    #[must_use]
    pub fn into_http(self) -> http::Response<ForwardedBody> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The body of an answer on its way back, with its trailers. To drop it ends the transfer.
pub struct ForwardedBody {
    left: Option<u64>,
    rest: Rest,
}

/// What is still to be handed on.
enum Rest {
    /// Nothing.
    Over,
    /// All of it has come.
    Held(Bytes),
    /// It comes, on a connection that belongs to this runtime.
    Coming(BoxStream<'static, Result<Frame<Bytes>, Error>>, Option<Handle>),
}

impl ForwardedBody {
    fn new(mut body: Arriving, record: &Record) -> Self {
        let left = body.expected();
        let rest = match body.take_whole() {
            Some(whole) if whole.is_empty() => Rest::Over,
            Some(whole) => Rest::Held(whole),
            None => {
                let state = Frames { body, received: 0, expected: left, record: record.clone() };
                let frames = Box::pin(stream::unfold(Some(state), Frames::next));
                Rest::Coming(frames, Handle::try_current().ok())
            }
        };
        Self { left, rest }
    }
}

/// What is left of a body.
struct Frames {
    body: Arriving,
    received: u64,
    expected: Option<u64>,
    record: Record,
}

impl Frames {
    /// The next piece, or how far the body came before it broke; at the end the trailers.
    async fn next(state: Option<Self>) -> Option<(Result<Frame<Bytes>, Error>, Option<Self>)> {
        let mut state = state?;
        match state.body.next().await {
            Ok(Some(piece)) => {
                state.received += piece.len() as u64;
                Some((Ok(Frame::data(piece)), Some(state)))
            }
            Ok(None) => {
                let mut trailers = state.body.take_trailers()?;
                hop::strip_trailers(&mut trailers);
                Some((Ok(Frame::trailers(trailers)), None))
            }
            Err(Broken { fault, source }) => {
                let Self { received, expected, record, .. } = state;
                Some((Err(Error::of_stream(received, expected, record, fault.kind, source)), None))
            }
        }
    }
}

impl http_body::Body for ForwardedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { left, rest } = &mut *self;
        let (frames, runtime) = match rest {
            Rest::Over => return Poll::Ready(None),
            Rest::Held(whole) => {
                let whole = std::mem::take(whole);
                (*left, *rest) = (Some(0), Rest::Over);
                return Poll::Ready(Some(Ok(Frame::data(whole))));
            }
            Rest::Coming(frames, runtime) => (frames, runtime),
        };
        let entered = runtime.as_ref().map(Handle::enter);
        let frame = std::task::ready!(frames.as_mut().poll_next(cx));
        drop(entered);
        match &frame {
            Some(Ok(frame)) => {
                let came = frame.data_ref().map_or(0, Bytes::len) as u64;
                *left = left.map(|left| left.saturating_sub(came));
            }
            Some(Err(_)) | None => *rest = Rest::Over,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.rest, Rest::Over)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl fmt::Debug for ForwardedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedBody").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A connection that has changed over to another protocol; made by [`Forwarded::tunnel`].
#[derive(Debug)]
pub struct Tunnel(Switched);

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
