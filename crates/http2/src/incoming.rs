//! The body of a request as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::header::EXPECT;
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};

use crate::outgoing::announced;
use crate::said::Said;

/// The body of a request. Its client may send more of it as it is read.
#[derive(Debug)]
pub struct Incoming {
    /// None where the stream has become something else.
    stream: Option<RecvStream>,
    /// How much is still to come, where that was announced.
    left: Option<u64>,
    /// Set until the client, which waits for that, has been asked for it.
    asks: Option<Said>,
}

impl Incoming {
    /// The body of this request.
    pub(crate) fn of(request: &Request<()>, stream: RecvStream, said: &Said) -> Self {
        let waits = expects_continue(request.headers()) && !stream.is_end_stream();
        Self { stream: Some(stream), left: announced(request.headers()), asks: waits.then(|| said.clone()) }
    }

    /// None.
    pub(crate) fn nothing() -> Self {
        Self { stream: None, left: Some(0), asks: None }
    }

    fn took(&mut self, bytes: usize) {
        if let Some(left) = &mut self.left {
            // A client that sends more than it announced is reset before this.
            *left = left.saturating_sub(bytes as u64);
        }
        self.asks = None;
    }
}

/// Whether a client waits to be asked for its body (RFC 9110, section 10.1.1).
fn expects_continue(headers: &HeaderMap) -> bool {
    let mut words =
        headers.get_all(EXPECT).iter().flat_map(|expected| expected.as_bytes().split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"100-continue"))
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        match stream.poll_data(cx) {
            Poll::Pending => {
                if let Some(asks) = self.asks.take() {
                    asks.ask();
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(bytes))) => {
                // Whoever reads it may have the next piece sent. A stream that has ended meanwhile needs no room.
                let _ = stream.flow_control().release_capacity(bytes.len());
                self.took(bytes.len());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => {
                let trailers = ready!(stream.poll_trailers(cx));
                Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
