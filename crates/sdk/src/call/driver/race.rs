//! A connection that was kept may be dead without a word: its peer was frozen, moved, or lost its state. A read
//! that meets silence on one is tried on a fresh one beside it, once, and the first answer is the answer. Nothing
//! that is merely slow is cut.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Response;
use reveille_retry::{AttemptPlan, Replay, Verdict};

use super::Driver;
use crate::call::Patience;
use crate::core::transport::{Broken, Incoming, Quiet, SWEPT_EVERY, Sending, Trace};

/// How long a connection that was kept may be silent before a read is tried beside it.
const SILENCE: Duration = Duration::from_secs(3);
/// A timer that would be the next one of its runtime wakes it when it is set, which is a system call and a turn for
/// nothing. That of a call never is, as its connections are looked at sooner.
const _: () = assert!(SWEPT_EVERY.as_millis() < SILENCE.as_millis());

type Sent = Result<Response<Incoming>, Broken>;

impl Driver {
    /// Whether an attempt of this call is one that another may be sent beside.
    pub(super) fn may_race(&self) -> bool {
        self.operation.replay() == Replay::Read
            && matches!(self.operation.patience, Patience::Usual | Patience::Signs)
            && self.quiet > SILENCE
            && self.operation.body.is_whole()
    }

    /// The first answer of `sent` and, where its connection is an old one and stays silent, of a second sending.
    pub(super) async fn raced(
        &mut self,
        plan: &AttemptPlan,
        mut sent: Sending<'_>,
        quiet: &mut Quiet,
        trace: &Trace,
    ) -> Sent {
        if let Some(done) = quiet.within(SILENCE, &mut sent).await {
            return done;
        }
        let core = Arc::clone(&self.core);
        let sent = Box::pin(core.transport.bound(sent, quiet, trace));
        if trace.waits_on_old_connection() {
            Box::pin(self.race(plan, sent, trace)).await
        } else {
            sent.await
        }
    }

    /// Of two that fail, the one that did so last says how.
    async fn race(&mut self, plan: &AttemptPlan, first: Sending<'_>, trace: &Trace) -> Sent {
        let verdict = self.session.race(self.now());
        let Verdict::Retry { .. } = verdict else { return first.await };
        self.tell(plan, verdict);
        let mut quiet = Quiet::new(self.quiet);
        let Ok(request) = self.request(&mut quiet).await else { return first.await };
        let core = Arc::clone(&self.core);
        let tell = self.tuning.on_informational.as_ref();
        let second = Box::pin(core.transport.send_fresh(request, self.tuning.bounds, tell, &mut quiet));
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
