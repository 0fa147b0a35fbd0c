use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use futures_util::stream::Stream;
use reveille_retry::History;
use reveille_wire::{ExecFrame, ExecFrameKind};

use crate::answer::{Begun, StreamResponse};
use crate::error::Error;

/// The longest line of a streamed execution, in bytes: a result holds the tails of all its output.
const MAX_LINE: usize = 8 * 1024 * 1024;

/// The output of a process as it comes, and its result at the end: a [`Stream`] of frames in async code, an
/// [`Iterator`] by [`into_iter`](IntoIterator::into_iter) elsewhere.
///
/// Made by [`Processes::exec_stream`](crate::Processes::exec_stream). It ends after the frame that is a result
/// or an error; a connection that breaks before is an error of the stream. Frames that only keep the
/// connection alive are left out.
#[derive(Debug)]
pub struct ExecStream {
    response: StreamResponse,
    line: BytesMut,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    Ended,
}

impl ExecStream {
    pub(crate) fn of(answer: Begun) -> Self {
        Self { response: StreamResponse::of(answer), line: BytesMut::new(), state: State::Open }
    }

    /// Every attempt up to the start of the process.
    #[must_use]
    pub fn history(&self) -> &History {
        self.response.history()
    }

    /// The next whole line that came, without its end.
    fn take_line(&mut self) -> Option<BytesMut> {
        let end = self.line.iter().position(|byte| *byte == b'\n')?;
        let line = self.line.split_to(end);
        self.line.advance(1);
        Some(line)
    }

    fn fail(&mut self, said: &str) -> Poll<Option<Result<ExecFrame, Error>>> {
        self.state = State::Ended;
        Poll::Ready(Some(Err(Error::of_broken_stream(said, self.response.record().clone()))))
    }
}

impl Stream for ExecStream {
    type Item = Result<ExecFrame, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.state == State::Ended {
                return Poll::Ready(None);
            }
            if let Some(line) = self.take_line() {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let Ok(frame) = serde_json::from_slice::<ExecFrame>(&line) else {
                    return self.fail("a line of the output is not what the protocol says");
                };
                match frame.kind {
                    ExecFrameKind::Keepalive => continue,
                    ExecFrameKind::Result | ExecFrameKind::Error => self.state = State::Ended,
                    _ => {}
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.line.len() > MAX_LINE {
                return self.fail("a line of the output is longer than 8 MiB");
            }
            match ready!(Pin::new(&mut self.response).poll_next(cx)) {
                Some(Ok(piece)) => self.line.extend_from_slice(&piece),
                Some(Err(error)) => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return self.fail("the output ended before the process did"),
            }
        }
    }
}

#[cfg(feature = "blocking")]
impl IntoIterator for ExecStream {
    type Item = Result<ExecFrame, Error>;
    type IntoIter = crate::answer::Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::answer::Blocking::new(self)
    }
}
