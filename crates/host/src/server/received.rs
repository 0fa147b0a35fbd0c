//! The bodies of an exchange, as far as they say what becomes of its connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use reveille_http1::close;

use super::crowd::Served;
use super::entry::Entry;
use crate::agent::BodyError;

/// The body of a request over HTTP/1.1, or over HTTP/2.
pub(super) type Incoming = Either<hyper::body::Incoming, reveille_http2::Incoming>;

/// A body that says how far it has been read.
pub(super) struct Received {
    body: Source,
    progress: Progress,
}

enum Source {
    Streamed(Incoming),
    /// It is here.
    Whole(Option<Bytes>),
}

/// The exchange of one request, for whoever has to say whether another one may follow on its connection.
pub(super) struct Exchange {
    version: Version,
    progress: Progress,
}

/// How far the body of a request has been read; nothing where it has none.
#[derive(Clone)]
pub(super) struct Progress(Option<Arc<Read>>);

#[derive(Default)]
struct Read {
    has_ended: AtomicBool,
    bytes: AtomicU64,
}

impl Progress {
    /// What came of it, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |read| read.bytes.load(Ordering::Relaxed))
    }

    fn came(&self, bytes: usize) {
        if let Some(read) = &self.0 {
            read.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    fn ended(&self) {
        if let Some(read) = &self.0 {
            read.has_ended.store(true, Ordering::Release);
        }
    }

    fn is_going(&self) -> bool {
        self.0.as_ref().is_some_and(|read| !read.has_ended.load(Ordering::Acquire))
    }
}

impl Received {
    /// What was read of another, or made of that.
    pub(super) fn whole(body: Bytes) -> Self {
        Self { body: Source::Whole((!body.is_empty()).then_some(body)), progress: Progress(None) }
    }

    /// Whether it was there with its head, which then leaves no choice of how it is read.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.body, Source::Whole(_))
    }
}

impl Exchange {
    /// Of a request whose body is still to come.
    pub(super) fn begin(request: Request<Incoming>) -> (Request<Received>, Self) {
        let progress = Progress((!request.body().is_end_stream()).then(Arc::default));
        Self::of(request.map(Source::Streamed), progress)
    }

    /// Of a request that is here.
    pub(super) fn whole(request: Request<Bytes>) -> (Request<Received>, Self) {
        let bytes = request.body().len();
        let read =
            (bytes > 0).then(|| Arc::new(Read { has_ended: true.into(), bytes: (bytes as u64).into() }));
        Self::of(request.map(|body| Source::Whole((bytes > 0).then_some(body))), Progress(read))
    }

    fn of(request: Request<Source>, progress: Progress) -> (Request<Received>, Self) {
        let exchange = Self { version: request.version(), progress: progress.clone() };
        (request.map(|body| Received { body, progress }), exchange)
    }

    /// How far the request's body has been read.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Tells the client not to use its connection again where its body is not read to the end: what it still sends
    /// is dropped, and the next request would be dropped with it.
    pub(super) fn answer<B>(&self, response: &mut Response<B>) {
        if self.progress.is_going() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.end(response);
        }
    }

    /// Tells the client that its connection ends with this answer.
    pub(super) fn end<B>(&self, response: &mut Response<B>) {
        if self.version < Version::HTTP_2 {
            close(response);
        }
    }
}

/// The body of an answer, during which its connection counts as served. When it ends or is dropped, its request is
/// told of.
pub(super) struct Answering {
    body: axum::body::Body,
    entry: Entry,
    _serving: Served,
}

impl Answering {
    pub(super) fn new(body: axum::body::Body, entry: Entry, serving: Served) -> Self {
        Self { body, entry, _serving: serving }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.entry.ended();
        }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.entry.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => {}
            None => self.entry.ended(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { body, progress } = &mut *self;
        let body = match body {
            Source::Streamed(body) => body,
            Source::Whole(body) => return Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            progress.came(frame.data_ref().map_or(0, Bytes::len));
        }
        let is_over = match &frame {
            None => true,
            Some(Ok(_)) => body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if is_over {
            progress.ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Streamed(body) => body.is_end_stream(),
            Source::Whole(body) => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Streamed(body) => body.size_hint(),
            Source::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
