//! One connection, before and between its exchanges.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::runtime;
use tokio_util::io::poll_read_buf;

use super::pool::Pool;
use super::stream::Stream;

/// The largest room for answers that a connection keeps while nobody uses it, in bytes.
const ROOM_KEPT: usize = 16 * 1024;

/// A connection on which an exchange can begin.
#[derive(Debug)]
pub(crate) struct Line {
    pub(super) stream: Stream,
    /// What came and belongs to no answer yet.
    pub(super) came: BytesMut,
    /// The head that goes out, kept for its room.
    pub(super) asked: Vec<u8>,
    pub(super) origin: Origin,
    pub(super) home: Arc<Pool>,
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

impl Line {
    pub(super) fn new(stream: Stream, home: &Arc<Pool>) -> Self {
        Self {
            stream,
            came: BytesMut::new(),
            asked: Vec::new(),
            origin: Origin::Fresh,
            home: Arc::clone(home),
            age: home.age(),
            runtime: runtime::Handle::current().id(),
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn age(&self) -> u64 {
        self.age
    }

    /// The runtime that moves its bytes.
    pub(super) fn runtime(&self) -> runtime::Id {
        self.runtime
    }

    /// Whether it can carry another request now, as far as can be seen from here: nothing came that nobody asked for.
    pub(super) fn is_usable(&mut self) -> bool {
        // Nobody waits for it: what comes is seen when somebody wants it.
        let mut unheard = Context::from_waker(Waker::noop());
        self.came.reserve(1);
        self.came.is_empty()
            && poll_read_buf(Pin::new(&mut self.stream), &mut unheard, &mut self.came).is_pending()
    }

    /// Keeps it for the next request.
    pub(super) fn keep(mut self) {
        if self.came.capacity() > ROOM_KEPT {
            self.came = BytesMut::new();
        }
        if self.asked.capacity() > ROOM_KEPT {
            self.asked = Vec::new();
        }
        self.origin = Origin::Kept;
        let home = Arc::clone(&self.home);
        home.keep(self);
    }

    /// More of what the other end says, into a room of so many bytes; nothing: it has ended.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<std::io::Result<usize>> {
        self.came.reserve(room);
        poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.came)
    }
}
