//! Bodies on their way through, counted as activity while they move.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::agent::Connection;
use crate::observer::Passage;
use crate::sandbox::Lease;

/// What a client sends.
pub(super) struct Upload {
    body: Incoming,
    lease: Arc<Lease>,
    passage: Arc<Passage>,
}

/// What an agent answers. The request is open until this ends or is dropped.
pub(super) struct Download {
    body: Incoming,
    lease: Arc<Lease>,
    passage: Arc<Passage>,
    connection: Option<Connection>,
}

impl Upload {
    pub(super) fn new(body: Incoming, lease: Arc<Lease>, passage: Arc<Passage>) -> Self {
        Self { body, lease, passage }
    }
}

impl Download {
    pub(super) fn new(
        body: Incoming,
        lease: Arc<Lease>,
        passage: Arc<Passage>,
        connection: Connection,
    ) -> Self {
        let mut download = Self { body, lease, passage, connection: Some(connection) };
        if download.body.is_end_stream() {
            download.keep_connection();
        }
        download
    }

    fn keep_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.keep();
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.lease.sent();
            self.passage.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // This is asked for when the head is written to the agent.
        self.passage.forwarded();
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.lease.received();
                self.passage.received(frame.data_ref().map_or(0, Bytes::len));
            }
            // Its connection is not fit for another request.
            Some(Err(_)) => drop(self.connection.take()),
            None => self.keep_connection(),
        }
        if self.body.is_end_stream() {
            self.keep_connection();
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
