//! The body of an answer, which holds the place on its connection until it ends.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::{Http1, Stream};
use super::host::Host;
use super::kept::{Age, Served};

/// The body of an answer.
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    hold: Option<Hold>,
    unsent: Option<Unsent>,
}

/// A body that nobody asked for. To drop it breaks its connection off.
type Unsent = Box<dyn Any + Send>;

/// A place on a connection, until the answer has ended.
pub(super) struct Hold {
    pub(super) host: Arc<Host>,
    pub(super) age: Age,
    pub(super) served: Served,
    pub(super) on: On,
}

pub(super) enum On {
    Http1(Http1),
    #[expect(dead_code, reason = "it is counted until it is dropped")]
    Http2(Stream),
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, hold: Hold) -> Self {
        let mut incoming = Self { body, hold: Some(hold), unsent: None };
        incoming.let_go_at_the_end();
        incoming
    }

    /// The body, which is empty, of an answer after which its connection speaks something else.
    pub(super) fn of_changed_connection(body: hyper::body::Incoming) -> Self {
        Self { body, hold: None, unsent: None }
    }

    /// The same, of an answer to a request whose body was not asked for, and goes when the answer has ended.
    pub(super) fn instead_of(mut self, unsent: impl Send + 'static) -> Self {
        self.unsent = Some(Box::new(unsent));
        self.let_go_at_the_end();
        self
    }

    fn let_go_at_the_end(&mut self) {
        if self.body.is_end_stream() {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        if self.unsent.take().is_some() {
            // Its connection still waits for the body.
            self.hold = None;
        }
        if let Some(Hold { host, age, on: On::Http1(connection), .. }) = self.hold.take() {
            host.kept.give_back(connection, age);
        }
    }

    fn broke(&mut self) {
        if let Some(Hold { host, age, served: Served::Before, .. }) = self.hold.take() {
            host.kept.distrust(age);
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.let_go_at_the_end(),
            Some(Err(_)) => self.broke(),
            None => self.let_go(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
