//! One connection, and one exchange after the other on it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use reveille_wire::hop;
use tokio::runtime;
use tokio_util::task::AbortOnDropHandle;

use super::link::{Link, Stream, Written};
use super::outgoing::Outgoing;
use super::pool::Pool;

/// How long a new connection goes without an answer before idle ones to the same place are let go.
const IN_THE_WAY: Duration = Duration::from_millis(25);

/// A connection on which a request can be sent.
///
/// It runs where it is used: whoever waits for the answer, or reads its body, moves the bytes. Only where a body
/// is still on its way out when the answer comes does it get a task of its own, so that neither waits for the
/// other.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    driver: Driver,
    written: Written,
    origin: Origin,
    home: Arc<Pool>,
    age: u64,
    runtime: runtime::Id,
}

/// Whether a connection has carried a request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Fresh,
    /// Its other end may have closed it at the moment that a request is written to it.
    Kept,
}

/// How sending failed.
#[derive(Debug)]
pub(crate) enum NotAnswered {
    /// Nothing of it was written. Here it is again, where it is still whole.
    NeverWritten(Option<Box<Request<Outgoing>>>),
    /// Some of it was: it may have run.
    Broken(hyper::Error),
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

/// The body of an answer. When it has ended, and the request too, its connection is kept for the next exchange.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Incoming,
    connection: Option<Connection>,
}

impl Connection {
    pub(super) async fn open(stream: Stream, home: &Arc<Pool>) -> io::Result<Self> {
        let age = home.age();
        let link = Link::new(stream);
        let written = link.written();
        let mut builder = http1::Builder::new();
        builder.max_buf_size(hop::MAX_HEAD + 8192).max_headers(hop::MAX_HEADERS);
        let (sender, driver) = builder.handshake(TokioIo::new(link)).await.map_err(io::Error::other)?;
        let driver = Driver::Here(Box::pin(driver.with_upgrades()));
        let (home, runtime) = (Arc::clone(home), runtime::Handle::current().id());
        Ok(Self { sender, driver, written, origin: Origin::Fresh, home, age, runtime })
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Sends a request and waits for the head of its answer. `forwarded` is told when the first bytes of it have
    /// been written.
    pub(crate) async fn send(
        mut self,
        request: Request<Outgoing>,
        forwarded: impl FnOnce(),
    ) -> Result<Response<Answer>, NotAnswered> {
        let before = self.written.so_far();
        let progress = request.body().progress();
        let mut forwarded = Some(forwarded);
        let mut answer = pin!(self.sender.try_send_request(request));
        // A server that serves one connection at a time may be waiting for the next request on an idle one.
        let mut in_the_way = match self.origin {
            Origin::Fresh if !self.home.is_empty() => Some(Box::pin(tokio::time::sleep(IN_THE_WAY))),
            Origin::Fresh | Origin::Kept => None,
        };
        let answered = poll_fn(|cx| {
            self.driver.drive(cx);
            if self.written.so_far() > before
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
            None if self.written.so_far() == before => NotAnswered::NeverWritten(None),
            None => NotAnswered::Broken(failed.into_error()),
        })?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.driver.hand_over();
        } else if progress.is_some_and(|progress| progress.is_going()) {
            self.driver.detach();
        }
        let mut response = response.map(|body| Answer { body, connection: Some(self) });
        if response.body().is_end_stream() {
            poll_fn(|cx| {
                response.body_mut().settle(cx);
                Poll::Ready(())
            })
            .await;
        }
        Ok(response)
    }

    /// Whether it can carry another request now, as far as can be seen from here.
    pub(super) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.driver.drive(cx);
        !matches!(self.driver, Driver::Over) && self.sender.is_ready()
    }

    pub(super) fn age(&self) -> u64 {
        self.age
    }

    /// The runtime that moves its bytes.
    pub(super) fn runtime(&self) -> runtime::Id {
        self.runtime
    }

    /// Keeps it for the next request, if its exchange has ended on both sides.
    fn keep(mut self, cx: &mut Context<'_>) {
        if self.is_usable(cx) {
            self.origin = Origin::Kept;
            let home = Arc::clone(&self.home);
            home.keep(self);
        }
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

impl Answer {
    fn settle(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = self.connection.take() {
            connection.keep(cx);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(connection) = &mut self.connection
        {
            connection.driver.drive(cx);
            polled = Pin::new(&mut self.body).poll_frame(cx);
        }
        match &polled {
            Poll::Ready(None) => self.settle(cx),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.settle(cx),
            // Its connection is not fit for another request.
            Poll::Ready(Some(Err(_))) => self.connection = None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
