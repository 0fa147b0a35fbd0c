use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream};
use http::{HeaderMap, StatusCode, Version};
use reveille_retry::{History, StopReason};
use tokio::runtime::Handle;

use super::{Arriving, Begun};
use crate::core::transport::Broken;
use crate::error::{Answered, Error};
use crate::record::{AnsweredBy, Record};

/// An answer whose body is still to come: a [`Stream`] of pieces in async code, an [`Iterator`] by
/// [`into_iter`](IntoIterator::into_iter) elsewhere.
///
/// Made by [`Request::stream`](crate::Request::stream). To drop it ends the transfer. One that was awaited on a
/// tokio runtime with threads of its own comes on as long as that runtime runs.
pub struct StreamResponse {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    record: Record,
    expected: Option<u64>,
    /// What has come of the body of an answer that is no success.
    beginning: Bytes,
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    /// The runtime that its connection belongs to.
    runtime: Option<Handle>,
}

impl StreamResponse {
    pub(crate) fn of(answer: Box<Begun>) -> Self {
        let Begun { status, version, headers, body, record, .. } = *answer;
        let expected = body.expected();
        let beginning = if status.is_success() { Bytes::new() } else { body.beginning() };
        let state = Pieces { body, received: 0, expected, record: record.clone() };
        let pieces = Box::pin(stream::unfold(Some(state), Pieces::next));
        let runtime = Handle::try_current().ok();
        Self { status, version, headers, record, expected, beginning, pieces, runtime }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Who says that he made it.
    #[must_use]
    pub fn answered_by(&self) -> AnsweredBy {
        AnsweredBy::of(self.record.site, &self.headers)
    }

    /// The version of HTTP that is spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many bytes the server said that there are, where it did.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.expected
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

    /// Whether a request with a side effect may have run without this answer telling of it; see
    /// [`Response::may_have_run`](crate::Response::may_have_run).
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        self.record.may_have_run()
    }

    /// This answer, where its status is a success.
    ///
    /// # Errors
    /// Otherwise: the error that a typed call would have given, with what has come of the body.
    pub fn error_for_status(self) -> Result<Self, Error> {
        self.to_error().map_or(Ok(self), Err)
    }

    /// What [`error_for_status`](Self::error_for_status) would give, for who wants the rest of the body as well.
    #[must_use]
    pub fn to_error(&self) -> Option<Error> {
        let Self { status, headers, record, beginning, .. } = self;
        let answered = || Answered { status: *status, headers: headers.clone(), body: beginning.clone() };
        (!status.is_success()).then(|| Error::of_status(answered(), record.clone()))
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }
}

/// What is left of a body.
struct Pieces {
    body: Arriving,
    received: u64,
    expected: Option<u64>,
    record: Record,
}

impl Pieces {
    /// The next piece, or how far the body came before it broke.
    async fn next(state: Option<Self>) -> Option<(Result<Bytes, Error>, Option<Self>)> {
        let mut state = state?;
        match state.body.next().await {
            Ok(Some(piece)) => {
                state.received += piece.len() as u64;
                Some((Ok(piece), Some(state)))
            }
            Ok(None) => None,
            Err(Broken { fault, source }) => {
                let Self { received, expected, record, .. } = state;
                Some((Err(Error::of_stream(received, expected, record, fault.kind, source)), None))
            }
        }
    }
}

impl Stream for StreamResponse {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        self.pieces.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for StreamResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A stream of this crate, waited for piece by piece.
#[cfg(feature = "blocking")]
#[derive(Debug)]
pub struct Blocking<S>(S);

#[cfg(feature = "blocking")]
impl<S> Blocking<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(stream)
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.0
    }
}

#[cfg(feature = "blocking")]
impl<S: Stream + Unpin> Iterator for Blocking<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        pollster::block_on(futures_util::StreamExt::next(&mut self.0))
    }
}

#[cfg(feature = "blocking")]
impl IntoIterator for StreamResponse {
    type Item = Result<Bytes, Error>;
    type IntoIter = Blocking<Self>;

    fn into_iter(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}
