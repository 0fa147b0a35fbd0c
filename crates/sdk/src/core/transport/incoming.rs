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
    body: Coming,
    hold: Option<Hold>,
    unsent: Option<Unsent>,
}

/// Where it comes from.
enum Coming {
    Http1(hyper::body::Incoming),
    Http2(reveille_http2::Arriving),
    /// There is none.
    Nowhere,
}

/// Why it breaks.
#[derive(Debug)]
pub(crate) enum BodyError {
    Http1(hyper::Error),
    Http2(reveille_http2::Error),
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
    pub(super) fn over_http1(body: hyper::body::Incoming, hold: Hold) -> Self {
        Self::new(Coming::Http1(body), hold)
    }

    pub(super) fn over_http2(body: reveille_http2::Arriving, hold: Hold) -> Self {
        Self::new(Coming::Http2(body), hold)
    }

    fn new(body: Coming, hold: Hold) -> Self {
        let mut incoming = Self { body, hold: Some(hold), unsent: None };
        incoming.let_go_at_the_end();
        incoming
    }

    /// That of an answer after which its connection speaks something else.
    pub(super) fn none() -> Self {
        Self { body: Coming::Nowhere, hold: None, unsent: None }
    }

    /// The same, of an answer to a request whose body was not asked for, and goes when the answer has ended.
    pub(super) fn instead_of(mut self, unsent: impl Send + 'static) -> Self {
        self.unsent = Some(Box::new(unsent));
        self.let_go_at_the_end();
        self
    }

    fn let_go_at_the_end(&mut self) {
        if self.is_end_stream() {
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
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(match &mut self.body {
            Coming::Http1(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Http1),
            Coming::Http2(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Http2),
            Coming::Nowhere => Poll::Ready(None),
        });
        match &frame {
            Some(Ok(_)) => self.let_go_at_the_end(),
            Some(Err(_)) => self.broke(),
            None => self.let_go(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Coming::Http1(body) => body.is_end_stream(),
            Coming::Http2(body) => body.is_end_stream(),
            Coming::Nowhere => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Coming::Http1(body) => body.size_hint(),
            Coming::Http2(body) => body.size_hint(),
            Coming::Nowhere => SizeHint::with_exact(0),
        }
    }
}
