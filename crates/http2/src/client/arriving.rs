//! The body of an answer as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{Error, Open};
use crate::outgoing::announced;

/// The body of an answer. The server may send more of it as it is read.
#[derive(Debug)]
pub struct Arriving {
    stream: RecvStream,
    /// How much is still to come, where that was announced.
    left: Option<u64>,
    open: Open,
}

impl Arriving {
    pub(super) fn new(stream: RecvStream, headers: &HeaderMap, open: Open) -> Self {
        Self { stream, left: announced(headers), open }
    }

    /// What comes instead of more: a server that needs no more of the request says so by a reset without an error, which
    /// may overtake the end of what it has answered (RFC 9113, section 8.1).
    fn broke(&self, error: h2::Error) -> Option<Error> {
        let is_end = error.reason() == Some(Reason::NO_ERROR) && self.left.is_none_or(|left| left == 0);
        (!is_end).then(|| self.open.0.error(error))
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match ready!(self.stream.poll_data(cx)) {
            Some(Ok(bytes)) => {
                // A stream that has ended meanwhile needs no room.
                let _ = self.stream.flow_control().release_capacity(bytes.len());
                self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(error)) => Poll::Ready(self.broke(error).map(Err)),
            None => match ready!(self.stream.poll_trailers(cx)) {
                Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
                Err(error) => Poll::Ready(self.broke(error).map(Err)),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
