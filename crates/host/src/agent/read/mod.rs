//! A read's exchange: a head goes out, an answer comes back, and nothing beside it.
//!
//! Most of what passes a gateway is this, and it needs none of what an exchange in both directions does: no task, no
//! channel, no second waiting. Whoever waits for the answer moves the bytes.

mod chunks;
mod framing;
mod head;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite as _;
use tokio::time::Sleep;

use self::framing::{Framing, Step};
use self::head::Head;
use super::NotAnswered;
use super::answer::{Answer, Broken};
use super::line::{Line, Origin};

/// How long a new connection goes without an answer before idle ones to the same place are let go.
pub(super) const IN_THE_WAY: Duration = Duration::from_millis(25);
/// The room for the head of an answer, and a small body with it, in bytes.
const ROOM: usize = 4 * 1024;
/// The room for the pieces of a larger one.
const MORE_ROOM: usize = 64 * 1024;

/// What is asked: a request that is no more than its head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'a Method,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// The body of an answer while it arrives. When it has ended its connection is kept for the next exchange.
#[derive(Debug)]
pub(crate) struct Arriving {
    framing: Framing,
    line: Option<Line>,
    afterwards: Afterwards,
}

/// What becomes of a connection when its exchange has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    Kept,
    Closed,
}

/// How much of a question has been written.
struct Asking<F> {
    written: usize,
    /// Who answers early and closes breaks off what is still being written, while its answer waits to be read.
    is_broken: bool,
    forwarded: Option<F>,
}

impl Line {
    /// Asks, and waits for the head of the answer. `forwarded` is told when the first bytes have been written, and
    /// `interim` of every answer that comes before.
    pub(crate) async fn read(
        mut self,
        question: Question<'_>,
        forwarded: impl FnOnce(),
        mut interim: impl FnMut(StatusCode, HeaderMap),
    ) -> Result<Response<Answer>, NotAnswered> {
        self.asked.clear();
        head::write(question, &mut self.asked);
        let mut asking = Asking { written: 0, is_broken: false, forwarded: Some(forwarded) };
        let mut in_the_way = self.in_the_way();
        let mut looked_at = 0;
        let answered = poll_fn(|cx| {
            asking.poll_write(&mut self, cx);
            if in_the_way.as_mut().is_some_and(|waited| waited.as_mut().poll(cx).is_ready()) {
                in_the_way = None;
                self.home.clear();
            }
            self.poll_head(question.method, &mut looked_at, &mut interim, cx)
        })
        .await;
        let head = answered.map_err(|broken| match asking.written {
            0 => NotAnswered::NeverWritten(None),
            _ => NotAnswered::Broken(broken),
        })?;
        let is_asked = asking.written == self.asked.len();
        Ok(self.arrive(head, if is_asked { Afterwards::Kept } else { Afterwards::Closed }))
    }

    /// A server that serves one connection at a time may be waiting for the next request on an idle one.
    fn in_the_way(&self) -> Option<Pin<Box<Sleep>>> {
        match self.origin {
            Origin::Fresh if !self.home.is_empty() => Some(Box::pin(tokio::time::sleep(IN_THE_WAY))),
            Origin::Fresh | Origin::Kept => None,
        }
    }

    fn poll_head(
        &mut self,
        method: &Method,
        looked_at: &mut usize,
        interim: &mut impl FnMut(StatusCode, HeaderMap),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Head, Broken>> {
        loop {
            if !self.came.is_empty()
                && let Some(head) =
                    head::take(&mut self.came, method, looked_at, interim).map_err(Broken::Malformed)?
            {
                return Poll::Ready(Ok(head));
            }
            if ready!(self.poll_more(cx, ROOM)).map_err(Broken::Io)? == 0 {
                return Poll::Ready(Err(cut_short()));
            }
        }
    }

    fn arrive(self, head: Head, afterwards: Afterwards) -> Response<Answer> {
        let Head { response, framing, persistence } = head;
        let stays = persistence == head::Persistence::Stays;
        let afterwards = if stays { afterwards } else { Afterwards::Closed };
        let mut arriving = Arriving { framing, line: Some(self), afterwards };
        if arriving.is_over() {
            arriving.settle();
        }
        response.map(|()| Answer::Read(arriving))
    }
}

impl<F: FnOnce()> Asking<F> {
    fn poll_write(&mut self, line: &mut Line, cx: &mut Context<'_>) {
        while let Some(rest) =
            line.asked.get(self.written..).filter(|rest| !rest.is_empty() && !self.is_broken)
        {
            match Pin::new(&mut line.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.written += written;
                    if let Some(forwarded) = self.forwarded.take() {
                        forwarded();
                    }
                }
                Poll::Ready(failed) => {
                    tracing::debug!(?failed, "the other side takes no more");
                    self.is_broken = true;
                }
                Poll::Pending => return,
            }
        }
    }
}

impl Arriving {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = ready!(self.poll_step(cx));
        if polled.is_err() {
            // Its connection is not fit for another request.
            self.line = None;
        } else if self.is_over() {
            self.settle();
        }
        Poll::Ready(polled.transpose())
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        loop {
            let Some(line) = &mut self.line else { return Poll::Ready(Ok(None)) };
            match self.framing.step(&mut line.came).map_err(Broken::Malformed)? {
                Step::Data(bytes) => return Poll::Ready(Ok(Some(Frame::data(bytes)))),
                Step::Trailers(trailers) => return Poll::Ready(Ok(Some(Frame::trailers(trailers)))),
                Step::End => return Poll::Ready(Ok(None)),
                Step::Short => {}
            }
            let room = usize::try_from(self.framing.left()).unwrap_or(MORE_ROOM).clamp(ROOM, MORE_ROOM);
            if ready!(line.poll_more(cx, room)).map_err(Broken::Io)? == 0 {
                self.framing.end().map_err(|()| cut_short())?;
            }
        }
    }

    /// Lets go of the connection, the answer on which has ended.
    fn settle(&mut self) {
        if let Some(line) = self.line.take()
            && self.afterwards == Afterwards::Kept
            && !line.came.has_remaining()
        {
            line.keep();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.framing, Framing::Over)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Over => SizeHint::with_exact(0),
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunks(_) | Framing::UntilItCloses => SizeHint::default(),
        }
    }
}

fn cut_short() -> Broken {
    Broken::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before the answer did"))
}

#[cfg(test)]
mod tests;
