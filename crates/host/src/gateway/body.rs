//! Bodies on their way through, counted as activity while they move.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use reveille_wire::hop;

use super::crossing::Crossing;

/// A body that crosses the gateway. The request is open until what an agent answers ends or is dropped.
pub(super) struct Crosses<B> {
    body: B,
    crossing: Crossing,
    moved: fn(&Crossing, usize),
}

impl<B> Crosses<B> {
    /// What a client sends.
    pub(super) fn up(body: B, crossing: Crossing) -> Self {
        Self { body, crossing, moved: Crossing::sent }
    }

    /// What an agent answers.
    pub(super) fn down(body: B, crossing: Crossing) -> Self {
        Self { body, crossing, moved: Crossing::received }
    }
}

impl<B> Body for Crosses<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            (self.moved)(&self.crossing, frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame.map(|frame| frame.map(without_forged_trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Trailers say only what may come after a body, in either direction.
fn without_forged_trailers(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        hop::strip_trailers(trailers);
    }
    frame
}
