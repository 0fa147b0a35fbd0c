use std::sync::Arc;

use super::Resident;
use super::standby::core::Pass;
use super::standby::idle::Answer;
use crate::agent::Agent;

/// A request's leave to use the agent of one waking. While it lives the request counts as open.
#[derive(Debug)]
pub(crate) struct Lease {
    resident: Arc<Resident>,
    pass: Pass<Arc<Agent>>,
}

impl Lease {
    pub(super) fn new(resident: Arc<Resident>, pass: Pass<Arc<Agent>>) -> Self {
        Self { resident, pass }
    }

    /// How the agent is reached.
    pub(crate) fn agent(&self) -> &Arc<Agent> {
        &self.pass.agent
    }

    /// Something came from the client. It reaches a sandbox that fell asleep meanwhile, too.
    pub(crate) fn sent(&self) {
        self.resident.sent(self.pass.open);
    }

    /// Something came from the agent.
    pub(crate) fn received(&self) {
        self.resident.received(self.pass.open);
    }

    /// The head of the answer came.
    pub(crate) fn answered(&self, answer: Answer) {
        self.resident.answered(self.pass.open, answer);
    }

    /// The agent cannot be reached: whoever comes next asks the engine.
    pub(crate) fn lost(&self) {
        self.resident.lost(self.pass.waking);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.resident.close(self.pass.open);
    }
}
