//! What is sent to an agent as the body of a request.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Why a body of a client does not come to its end.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// The body of a request.
#[derive(Default)]
pub(crate) enum Outgoing {
    #[default]
    Nothing,
    Streamed(Box<Streamed>),
}

/// A body that comes from a client.
pub(crate) struct Streamed {
    body: Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>,
    progress: Progress,
}

/// How far a body has come, for those who do not read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

const GOING: u8 = 0;
const ENDED: u8 = 1;
const BROKEN: u8 = 2;

impl Progress {
    pub(super) fn is_going(&self) -> bool {
        self.0.load(Ordering::Acquire) == GOING
    }

    /// The client broke it off, or it was no body.
    pub(super) fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire) == BROKEN
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Release);
    }
}

impl Outgoing {
    pub(crate) fn streamed(body: impl Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        if body.is_end_stream() {
            return Self::Nothing;
        }
        Self::Streamed(Box::new(Streamed { body: Box::pin(body), progress: Progress::default() }))
    }

    /// `None` where there is nothing to send.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Nothing => None,
            Self::Streamed(streamed) => Some(streamed.progress.clone()),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Nothing) { "Nothing" } else { "Streamed" })
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Streamed(streamed) = &mut *self else { return Poll::Ready(None) };
        let frame = ready!(streamed.body.as_mut().poll_frame(cx));
        match &frame {
            Some(Err(_)) => streamed.progress.set(BROKEN),
            Some(Ok(_)) if !streamed.body.is_end_stream() => {}
            Some(Ok(_)) | None => streamed.progress.set(ENDED),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}
