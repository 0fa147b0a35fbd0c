//! Bodies that are held to their length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A stream whose length is known, so that it goes out with a `Content-Length`.
pub(super) struct Sized<B> {
    inner: B,
    left: u64,
}

impl<B> Sized<B> {
    pub(super) fn new(inner: B, length: u64) -> Self {
        Self { inner, left: length }
    }
}

impl<B> http_body::Body for Sized<B>
where
    B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                let text = "the body is longer than was said";
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, text))));
            };
            self.left = left;
        }
        if frame.is_none() && self.left > 0 {
            let text = "the body is shorter than was said, or the file became so while it was sent";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))));
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
