//! An exchange that may go both ways at once: a request with a body, or one that changes over to another protocol.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use reveille_wire::hop;
use tokio_util::task::AbortOnDropHandle;

use super::answer::{Answer, Broken};
use super::line::Line;
use super::link::{Link, Written};
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::read::IN_THE_WAY;

/// A connection on which one request can be sent.
///
/// It runs where it is used: whoever waits for the answer, or reads its body, moves the bytes. Only where a body
/// is still on its way out when the answer comes does it get a task of its own, so that neither waits for the
/// other.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    driver: Driver,
    written: Written,
    home: Arc<Pool>,
}

/// How sending failed.
#[derive(Debug)]
pub(crate) enum NotAnswered {
    /// Nothing of it was written. Here it is again, where it is still whole.
    NeverWritten(Option<Box<Request<Outgoing>>>),
    /// Some of it was: it may have run.
    Broken(Broken),
    /// Whoever sent its body broke it off, or sent none.
    BodyBroken,
}

/// What moves a connection's bytes.
enum Driver {
    Here(Moving),
    Task(AbortOnDropHandle<()>),
    Over,
}

type Moving = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The body of an answer to it. Its connection ends with it.
#[derive(Debug)]
pub(crate) struct Streamed {
    body: Incoming,
    connection: Connection,
}

impl Connection {
    /// Begins an exchange on a new connection.
    pub(crate) async fn over(line: Line) -> io::Result<Self> {
        let (stream, home) = (line.stream, line.home);
        let link = Link::new(stream);
        let written = link.written();
        let mut builder = http1::Builder::new();
        builder.max_buf_size(hop::MAX_HEAD + 8192).max_headers(hop::MAX_HEADERS);
        let (sender, driver) = builder.handshake(TokioIo::new(link)).await.map_err(io::Error::other)?;
        let driver = Driver::Here(Box::pin(driver.with_upgrades()));
        Ok(Self { sender, driver, written, home })
    }

    /// Sends a request and waits for the head of its answer. `forwarded` is told when the first bytes of it have
    /// been written.
    pub(crate) async fn send(
        mut self,
        request: Request<Outgoing>,
        forwarded: impl FnOnce(),
    ) -> Result<Response<Answer>, NotAnswered> {
        let progress = request.body().progress();
        let mut forwarded = Some(forwarded);
        let mut answer = pin!(self.sender.try_send_request(request));
        // A server that serves one connection at a time may be waiting for the next request on an idle one.
        let mut in_the_way =
            if self.home.is_empty() { None } else { Some(Box::pin(tokio::time::sleep(IN_THE_WAY))) };
        let answered = poll_fn(|cx| {
            self.driver.drive(cx);
            if self.written.so_far() > 0
                && let Some(forwarded) = forwarded.take()
            {
                forwarded();
            }
            if in_the_way.as_mut().is_some_and(|waited| waited.as_mut().poll(cx).is_ready()) {
                in_the_way = None;
                self.home.clear();
            }
            answer.as_mut().poll(cx)
        })
        .await;
        let response = answered.map_err(|mut failed| match failed.take_message() {
            Some(request) => NotAnswered::NeverWritten(Some(Box::new(request))),
            None if progress.as_ref().is_some_and(super::outgoing::Progress::is_broken) => {
                NotAnswered::BodyBroken
            }
            None if self.written.so_far() == 0 => NotAnswered::NeverWritten(None),
            None => NotAnswered::Broken(Broken::Http(failed.into_error())),
        })?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.driver.hand_over();
        } else if progress.is_some_and(|progress| progress.is_going()) {
            self.driver.detach();
        }
        Ok(response.map(|body| Answer::Streamed(Streamed { body, connection: self })))
    }
}

impl Driver {
    fn drive(&mut self, cx: &mut Context<'_>) {
        let ended = match self {
            // Whoever waits for an answer or a body is told of an error by them.
            Self::Here(driver) => driver.as_mut().poll(cx).is_ready(),
            Self::Task(task) => Pin::new(task).poll(cx).is_ready(),
            Self::Over => return,
        };
        if ended {
            *self = Self::Over;
        }
    }

    /// Gives it a task of its own.
    fn detach(&mut self) {
        *self = match std::mem::replace(self, Self::Over) {
            Self::Here(driver) => Self::Task(AbortOnDropHandle::new(tokio::spawn(to_its_end(driver)))),
            other => other,
        };
    }

    /// Lets it give its bytes to the protocol that it has changed over to.
    fn hand_over(&mut self) {
        if let Self::Here(driver) = std::mem::replace(self, Self::Over) {
            tokio::spawn(to_its_end(driver));
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::Task(_) => "Task",
            Self::Over => "Over",
        })
    }
}

async fn to_its_end(driver: Moving) {
    if let Err(error) = driver.await {
        tracing::debug!(%error, "a connection to an agent broke");
    }
}

impl Streamed {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() {
            self.connection.driver.drive(cx);
            polled = Pin::new(&mut self.body).poll_frame(cx);
        }
        polled.map_err(Broken::Http)
    }

    pub(super) fn is_over(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
