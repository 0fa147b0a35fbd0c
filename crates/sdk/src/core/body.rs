use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, TryStreamExt};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use reveille_retry::Resend;

use super::file;
use super::passed::Passed;
use super::pump::{self, Piped, Pump};
use super::sized::Sized;

pub(super) type BytesBody = UnsyncBoxBody<Bytes, io::Error>;
type Opening = Pin<Box<dyn Future<Output = io::Result<BytesBody>> + Send>>;
type Factory = Arc<dyn Fn() -> Opening + Send + Sync>;

/// The body of a request.
///
/// ```
/// use reveille::Body;
/// let text = Body::from("hello");
/// let file = Body::file("big.tar");        // streamed, and opened anew for each attempt
/// ```
pub struct Body(Kind);

enum Kind {
    Whole(Bytes),
    Anew(Factory),
    Once(BytesBody),
    Gone,
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Whole(Bytes::new()))
    }

    /// A stream. It can be sent once, so that a call with it is never tried again.
    pub fn stream<S>(stream: S) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self(Kind::Once(BodyExt::boxed_unsync(StreamBody::new(stream.map_ok(Frame::data)))))
    }

    /// A stream of which it is known how long it is, so that it goes out with a `Content-Length`. One that turns out
    /// to be shorter or longer is an error of the call.
    ///
    /// ```
    /// use reveille::Body;
    /// use futures_util::stream;
    /// let body = Body::stream_of(2, stream::iter([Ok("a".into()), Ok("b".into())]));
    /// ```
    pub fn stream_of<S>(length: u64, stream: S) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let inner = StreamBody::new(stream.map_ok(Frame::data).boxed());
        Self(Kind::Once(BodyExt::boxed_unsync(Sized::new(inner, length))))
    }

    /// A body of HTTP that comes from elsewhere, with those of its trailers that may go on, and the length that it tells,
    /// beside which HTTP/1.1 has no trailers. It can be sent once, unless it is empty.
    ///
    /// ```
    /// use http_body_util::Full;
    /// use reveille::{Body, Bytes};
    /// let body = Body::from_http(Full::new(Bytes::from("as it came")));
    /// ```
    pub fn from_http<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        // Boxed first, as it may be one that must not be moved.
        let passed = Passed(BodyExt::boxed_unsync(body.map_err(io::Error::other)));
        Self(Kind::Once(BodyExt::boxed_unsync(passed)))
    }

    /// A file, streamed. It is opened anew for each attempt, which a pipe and a device cannot be: they are an error, and
    /// can be sent as a [`stream`](Self::stream).
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = Arc::new(path.into());
        let open = move || -> Opening {
            let path = Arc::clone(&path);
            Box::pin(async move { file::whole(&path).await })
        };
        Self(Kind::Anew(Arc::new(open)))
    }

    /// A body that `make` makes anew for each attempt.
    ///
    /// ```
    /// use reveille::Body;
    /// use futures_util::stream;
    /// let body = Body::made_by(|| stream::iter([Ok("a".into()), Ok("b".into())]));
    /// ```
    pub fn made_by<F, S>(make: F) -> Self
    where
        F: Fn() -> S + Send + Sync + 'static,
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let open = move || -> Opening {
            let stream = make();
            Box::pin(async move { Ok(BodyExt::boxed_unsync(StreamBody::new(stream.map_ok(Frame::data)))) })
        };
        Self(Kind::Anew(Arc::new(open)))
    }

    /// A part of a file, streamed. It is opened anew for each attempt.
    pub(crate) fn part_of_file(path: Arc<Path>, start: u64, length: u64) -> Self {
        let open = move || -> Opening {
            let path = Arc::clone(&path);
            Box::pin(async move { file::part(&path, start, length).await })
        };
        Self(Kind::Anew(Arc::new(open)))
    }

    /// The same between a beginning and an end. Whether it can be sent again stays as it is.
    pub(crate) fn between(self, head: Bytes, tail: Bytes) -> Self {
        let around = move |inner: BytesBody| {
            BodyExt::boxed_unsync(Between { head: Some(head.clone()), inner, tail: Some(tail.clone()) })
        };
        let full = |bytes: Bytes| BodyExt::boxed_unsync(Full::new(bytes).map_err(|never| match never {}));
        Self(match self.0 {
            Kind::Whole(bytes) => Kind::Anew(Arc::new(move || {
                let body = around(full(bytes.clone()));
                Box::pin(async move { Ok(body) })
            })),
            Kind::Anew(open) => {
                let around = Arc::new(around);
                Kind::Anew(Arc::new(move || {
                    let (opening, around) = (open(), Arc::clone(&around));
                    Box::pin(async move { Ok(around(opening.await?)) })
                }))
            }
            Kind::Once(body) => Kind::Once(around(body)),
            Kind::Gone => Kind::Gone,
        })
    }

    /// Whether it is held in memory.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.0, Kind::Whole(_))
    }

    fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Whole(bytes) if bytes.is_empty())
    }

    pub(crate) fn resend(&self) -> Resend {
        match self.0 {
            Kind::Whole(_) | Kind::Anew(_) => Resend::Again,
            Kind::Once(_) | Kind::Gone => Resend::Once,
        }
    }

    /// What one attempt sends. Progress is counted, so that a long upload is no silence.
    pub(crate) async fn open(&mut self, progress: impl FnOnce() -> Arc<AtomicU64>) -> io::Result<SendBody> {
        let inner = match &mut self.0 {
            Kind::Whole(bytes) => Sending::Whole(Full::new(bytes.clone())),
            Kind::Anew(open) => Sending::Stream(open().await?),
            Kind::Once(_) => match std::mem::replace(&mut self.0, Kind::Gone) {
                Kind::Once(body) => Sending::Stream(body),
                _ => Sending::Whole(Full::default()),
            },
            Kind::Gone => return Err(io::Error::other("the body was a stream, and it was sent already")),
        };
        let progress = (!self.is_empty()).then(progress);
        Ok(SendBody { inner, progress })
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Anew(_) => f.write_str("Body(made anew)"),
            Kind::Once(_) => f.write_str("Body(stream)"),
            Kind::Gone => f.write_str("Body(sent)"),
        }
    }
}

macro_rules! from_bytes {
    ($($from:ty),*) => {$(
        impl From<$from> for Body {
            fn from(from: $from) -> Self {
                Self(Kind::Whole(Bytes::from(from)))
            }
        }
    )*};
}

from_bytes!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

/// A body between a beginning and an end.
struct Between {
    head: Option<Bytes>,
    inner: BytesBody,
    tail: Option<Bytes>,
}

impl http_body::Body for Between {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            // What follows the bytes of a body has no place within another one.
            Some(Ok(frame)) if !frame.is_data() => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(frame) => Poll::Ready(Some(frame)),
            None => Poll::Ready(self.tail.take().map(|tail| Ok(Frame::data(tail)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let around = [&self.head, &self.tail].into_iter().flatten().map(Bytes::len).sum::<usize>() as u64;
        let inner = self.inner.size_hint();
        inner.exact().map_or_else(SizeHint::new, |length| SizeHint::with_exact(length + around))
    }
}

/// What one attempt sends.
pub(crate) struct SendBody {
    inner: Sending,
    progress: Option<Arc<AtomicU64>>,
}

enum Sending {
    Whole(Full<Bytes>),
    Stream(BytesBody),
    Piped(Piped),
}

impl SendBody {
    /// What makes the body while a connection reads it, where it is a stream.
    pub(crate) fn part(&mut self) -> Option<Pump> {
        match std::mem::replace(&mut self.inner, Sending::Whole(Full::default())) {
            Sending::Stream(body) => {
                let (piped, pump) = pump::pipe(body);
                self.inner = Sending::Piped(piped);
                Some(pump)
            }
            other => {
                self.inner = other;
                None
            }
        }
    }
}

impl http_body::Body for SendBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let frame = match &mut self.inner {
            Sending::Whole(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(|never| match never {}))
            }
            Sending::Stream(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(RequestBodyError))
            }
            Sending::Piped(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        if let Some(progress) = &self.progress {
            progress.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Sending::Whole(body) => body.is_end_stream(),
            Sending::Stream(body) => body.is_end_stream(),
            Sending::Piped(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Sending::Whole(body) => body.size_hint(),
            Sending::Stream(body) => body.size_hint(),
            Sending::Piped(body) => body.size_hint(),
        }
    }
}

/// The caller's body could not be read: nobody's fault on the way.
#[derive(Debug)]
pub(crate) struct RequestBodyError(pub(super) io::Error);

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of the request could not be read")
    }
}

impl std::error::Error for RequestBodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
