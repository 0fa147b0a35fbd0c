//! The body of a request is made where the call is polled, and never on a task of its connection: a caller whose
//! stream blocks stands in its own way, and in nobody else's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::body::{BytesBody, RequestBodyError};

enum Piece {
    Frame(Frame<Bytes>),
    End,
}

/// What makes the body, and hands it over.
pub(crate) struct Pump {
    body: BytesBody,
    pipe: Sender<Piece>,
}

/// The end of the pipe that the connection reads.
pub(crate) struct Piped {
    pipe: Receiver<Piece>,
    left: SizeHint,
    is_over: bool,
}

pub(super) fn pipe(body: BytesBody) -> (Piped, Pump) {
    let left = http_body::Body::size_hint(&body);
    let is_over = http_body::Body::is_end_stream(&body);
    let (from, to) = mpsc::channel(1);
    (Piped { pipe: to, left, is_over }, Pump { body, pipe: from })
}

impl Pump {
    /// Makes the whole body, or as much as somebody reads.
    ///
    /// # Errors
    /// What the caller's stream failed with. The connection then sees a body that does not end.
    pub(crate) async fn run(mut self) -> Result<(), RequestBodyError> {
        loop {
            let piece = match self.body.frame().await {
                Some(Ok(frame)) => Piece::Frame(frame),
                Some(Err(error)) => return Err(RequestBodyError(error)),
                None => Piece::End,
            };
            let is_end = matches!(piece, Piece::End);
            if self.pipe.send(piece).await.is_err() || is_end {
                return Ok(());
            }
        }
    }
}

impl http_body::Body for Piped {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match ready!(self.pipe.poll_recv(cx)) {
            Some(Piece::Frame(frame)) => {
                let sent = frame.data_ref().map_or(0, Bytes::len) as u64;
                if let Some(exact) = self.left.exact() {
                    self.left = SizeHint::with_exact(exact.saturating_sub(sent));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Piece::End) => {
                self.is_over = true;
                Poll::Ready(None)
            }
            None => {
                self.is_over = true;
                let gone = io::Error::new(io::ErrorKind::Interrupted, "the body was given up");
                Poll::Ready(Some(Err(RequestBodyError(gone))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.left
    }
}
