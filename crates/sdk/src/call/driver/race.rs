//! A connection that was kept may be dead without a word: its peer was frozen, moved, or lost its state. A read
//! that meets silence on one is tried on a fresh one beside it, once, and the first answer is the answer. Nothing
//! that is merely slow is cut.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Response;
use reveille_retry::{AttemptPlan, Replay, Verdict};

use super::Driver;
use crate::call::Patience;
use crate::core::transport::{Broken, Incoming, Quiet, Trace};

/// How long a connection that was kept may be silent before a read is tried beside it.
const SILENCE: Duration = Duration::from_secs(3);

type Sent = Result<Response<Incoming>, Broken>;

impl Driver {
    /// Whether an attempt of this call is one that another may be sent beside.
    pub(super) fn may_race(&self) -> bool {
        self.operation.replay() == Replay::Read
            && matches!(self.operation.patience, Patience::Usual)
            && self.operation.body.is_whole()
    }

    /// The first answer of `sent` and, where its connection is an old one and stays silent, of a second sending. Of
    /// two that fail, the one that did so last says how.
    pub(super) async fn raced(
        &mut self,
        plan: &AttemptPlan,
        sent: impl Future<Output = Sent>,
        trace: &Trace,
    ) -> Sent {
        let mut first = pin!(sent);
        if let Ok(done) = tokio::time::timeout(SILENCE, &mut first).await {
            return done;
        }
        if !trace.waits_on_old_connection() {
            return first.await;
        }
        let verdict = self.session.race(self.now());
        let Verdict::Retry { .. } = verdict else { return first.await };
        self.tell(plan, verdict);
        let quiet = Quiet::new(self.quiet);
        let Ok(request) = self.request(&quiet).await else { return first.await };
        let core = std::sync::Arc::clone(&self.core);
        let second = pin!(core.transport.send_fresh(request, &quiet));
        match select(first, second).await {
            Either::Left((Ok(answer), _)) => Ok(answer),
            Either::Left((Err(_), second)) => second.await,
            Either::Right((Ok(answer), _)) => {
                trace.distrust_connection();
                Ok(answer)
            }
            Either::Right((Err(_), first)) => first.await,
        }
    }
}
