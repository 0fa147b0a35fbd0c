use std::sync::Arc;

use http::{Response, StatusCode};
use http_body::Body as _;

use crate::agent::{self, Agent};
use crate::observer::Passage;
use crate::sandbox::{Answer, Lease};

/// A request on its way: what keeps its sandbox awake for it, and what is told of it.
#[derive(Debug, Clone)]
pub(super) struct Crossing {
    lease: Arc<Lease>,
    passage: Arc<Passage>,
}

impl Crossing {
    pub(super) fn new(lease: Lease, passage: &Arc<Passage>) -> Self {
        Self { lease: Arc::new(lease), passage: Arc::clone(passage) }
    }

    pub(super) fn agent(&self) -> &Arc<Agent> {
        self.lease.agent()
    }

    /// The agent cannot be reached.
    pub(super) fn lost(&self) {
        self.lease.lost();
    }

    /// The first bytes of it have been written.
    pub(super) fn forwarded(&self) {
        self.passage.forwarded();
    }

    /// So much of a body came from the client.
    pub(super) fn sent(&self, bytes: usize) {
        self.lease.sent();
        self.passage.sent(bytes);
    }

    /// The head of the answer came.
    pub(super) fn answered(&self, response: &Response<agent::Answer>) {
        // What a connection says that has changed over to another protocol has no end of its own.
        let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let is_whole = !is_tunnel && response.body().size_hint().exact().is_some();
        self.lease.answered(if is_whole { Answer::Whole } else { Answer::Stream });
        self.passage.answered(response.status());
    }

    /// The gateway answers by itself.
    pub(super) fn refused(&self, status: StatusCode) {
        self.passage.refused(status);
    }

    /// So much of a body came from the sandbox.
    pub(super) fn received(&self, bytes: usize) {
        self.lease.received();
        self.passage.received(bytes);
    }
}
