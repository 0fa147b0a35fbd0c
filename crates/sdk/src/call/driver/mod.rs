//! The one loop that sends, decides and waits.

mod attempt;
mod identity;
mod race;
mod word;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_retry::{AfterRefusal, AttemptPlan, FaultKind, Head, Order, Session, StopReason, Tick, Verdict};
use tracing::{Instrument, Span};

use super::operation::Probe;
use super::{Operation, Patience, Readiness, Tuning};
use crate::answer::{Begun, Taking};
use crate::core::transport::{Broken, Change};
use crate::core::{Core, Seat, Secret};
use crate::error::Error;
use crate::record::{Probed, Record};
use attempt::Answer;

/// How long a server is let be silent that gives a sign of life every 30 s: three of them may be late.
const SIGNS: Duration = Duration::from_secs(90);

/// Sends an operation as often as its session says.
pub(crate) async fn drive(
    core: Arc<Core>,
    operation: Operation,
    tuning: Tuning,
    taking: Taking,
) -> Result<Box<Begun>, Error> {
    Driver::new(core, operation, tuning, taking)?.drive().await
}

/// One logical call on its way.
pub(crate) struct Driver {
    core: Arc<Core>,
    operation: Operation,
    uri: http::Uri,
    tuning: Tuning,
    taking: Taking,
    session: Session,
    /// Its place with the other calls to the same sandbox, where it has one.
    seat: Option<Seat>,
    /// What its last probe brought.
    probed: Option<Probed>,
    began: Tick,
    quiet: Duration,
    /// The access token that the last attempt showed.
    token: Option<Secret>,
    /// The answer whose body broke, or was cut, in the last attempt.
    open: Option<Box<Answer>>,
}

impl Driver {
    /// A call that has not begun: its time runs from [`drive`](Self::drive) on.
    ///
    /// Boxed, as all that a call remembers would be moved with each future around it.
    ///
    /// # Errors
    /// When the operation cannot be sent.
    pub(crate) fn new(
        core: Arc<Core>,
        mut operation: Operation,
        mut tuning: Tuning,
        taking: Taking,
    ) -> Result<Box<Self>, Error> {
        tuning.deadline = tuning.deadline.or(core.settings.deadline);
        if let Some(error) = operation.take_invalid() {
            return Err(error);
        }
        let uri = operation.target.uri()?;
        let own = tuning.policy.take();
        let policy = own.as_deref().unwrap_or(&core.settings.policy);
        let (replay, seed, resend) = (operation.replay(), fastrand::u64(..), operation.body.resend());
        let session = match tuning.attempt_timeout {
            Some(timeout) => Session::new(&policy.with_attempt_timeout(timeout), replay, seed),
            None => Session::new(policy, replay, seed),
        };
        let session = session.resend(resend);
        let quiet = match operation.patience {
            Patience::Usual => tuning.read_timeout.unwrap_or(core.transport.read_timeout()),
            Patience::Signs => core.transport.read_timeout().max(SIGNS),
            Patience::Waiting => Duration::MAX,
        };
        let (seat, probed, began, token, open) = (None, None, Tick::ZERO, None, None);
        Ok(Box::new(Self {
            core,
            operation,
            uri,
            tuning,
            taking,
            session,
            seat,
            probed,
            began,
            quiet,
            token,
            open,
        }))
    }

    /// The call begins: it takes its place with the others to the same sandbox, and learns what it has to do.
    fn set_out(&mut self, now: Tick) -> Order {
        self.began = now;
        if let Some(deadline) = self.tuning.deadline {
            self.session.end_at(now.after(deadline));
        }
        let Self { core, operation, tuning, session, .. } = self;
        let is_shared = operation.readiness == Readiness::OfTarget
            && core.settings.readiness.is_some()
            && tuning.probe == Probe::Usual
            && session.policy().retries() > 0;
        if !is_shared {
            return Order::Go;
        }
        let until = || session.last_send(now);
        let (seat, order) = core.watches.seat(now, operation.target.base(), operation.replay(), until);
        self.seat = Some(seat);
        order
    }

    /// Sends as often as the session says.
    pub(crate) async fn drive(self: Box<Self>) -> Result<Box<Begun>, Error> {
        let span = tracing::debug_span!(
            "reveille.call",
            http.request.method = %self.operation.method,
            url.path = self.operation.target.shown(),
            http.request.resend_count = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
        );
        if span.is_disabled() {
            return self.run().await;
        }
        self.traced(span.clone()).instrument(span).await
    }

    async fn traced(self: Box<Self>, span: Span) -> Result<Box<Begun>, Error> {
        let outcome = self.run().await;
        let (history, status) = match &outcome {
            Ok(outcome) => (Some(&outcome.record.history), Some(outcome.status)),
            Err(error) => (error.history(), error.status()),
        };
        let resent = history.map_or(0, |history| history.len().saturating_sub(1));
        span.record("http.request.resend_count", resent);
        if let Some(status) = status {
            span.record("http.response.status_code", status.as_u16());
        }
        outcome
    }

    async fn run(self: Box<Self>) -> Result<Box<Begun>, Error> {
        let Readiness::Ends(sandbox) = &self.operation.readiness else { return self.go().await };
        let sandbox = sandbox.clone();
        let core = Arc::clone(&self.core);
        core.watches.forget(&sandbox);
        // Boxed, as few calls are of this kind.
        let ended = Box::pin(self.go()).await;
        // Whoever went meanwhile may have been answered before it fell asleep.
        core.watches.forget(&sandbox);
        ended
    }

    async fn go(mut self: Box<Self>) -> Result<Box<Begun>, Error> {
        let mut now = self.now();
        let mut order = self.set_out(now);
        loop {
            if order != Order::Go {
                // Boxed, as most need not wait.
                if let Err(stop) = Box::pin(self.word(now, order)).await {
                    let probed = self.probed;
                    return Err(Error::unsent(self.record(Some(stop)), probed));
                }
                now = self.now();
            }
            let plan = match self.session.begin(now) {
                Ok(plan) => plan,
                Err(stop) => return Err(Error::of_fault(FaultKind::Deadline, self.record(Some(stop)), None)),
            };
            let brought = self.attempt(&plan).await?;
            now = self.now();
            let verdict = self.judge(now, &brought);
            self.tell(&plan, verdict);
            let after = self.tell_of_sandbox(now, &brought, verdict);
            let stop = match verdict {
                Verdict::Retry { wait, .. } => {
                    // The answer goes first, so that no connection is held during the wait.
                    drop((brought, self.open.take()));
                    if after == AfterRefusal::OwnSchedule {
                        tokio::time::sleep(wait).await;
                    }
                    now = self.now();
                    order = self.seat.as_mut().map_or(Order::Go, |seat| seat.poll(now));
                    continue;
                }
                Verdict::Deliver => None,
                Verdict::Stop(stop) => Some(stop),
                _ => Some(StopReason::Permanent),
            };
            return match brought {
                Ok(answer) => self.deliver(answer, &plan, stop).await,
                Err(Broken { fault, source }) => {
                    let open = self.open.take();
                    let error = Error::of_fault(fault.kind, self.record(stop), source);
                    Err(match open {
                        Some(answer) => error.with_answer(answer.into_answered()),
                        None => error,
                    })
                }
            };
        }
    }

    fn now(&self) -> Tick {
        self.core.watches.now()
    }

    fn judge(&mut self, now: Tick, brought: &Result<Box<Answer>, Broken>) -> Verdict {
        match brought {
            Ok(answer) => {
                let head = Head::new(answer.parts.status, &answer.parts.headers).with_refusal(answer.refusal);
                self.session.on_head(now, &head)
            }
            Err(broken) => self.session.on_fault(now, broken.fault),
        }
    }

    /// Says what the attempt saw, to the log and to whoever asked.
    fn tell(&self, plan: &AttemptPlan, verdict: Verdict) {
        let Some(attempt) = self.session.history().last() else { return };
        tracing::debug!(
            attempt = plan.number,
            seen = %attempt.seen,
            dispatch = ?attempt.dispatch,
            took_ms = attempt.took.as_secs_f64() * 1e3,
            wait_ms = attempt.wait.as_secs_f64() * 1e3,
            ?verdict,
            "attempt"
        );
        if let Some(hook) = &self.tuning.on_attempt {
            hook(attempt);
        }
    }

    /// Reads what is still to come of the answer that ends the call, and hands it over.
    async fn deliver(
        mut self: Box<Self>,
        mut answer: Box<Answer>,
        plan: &AttemptPlan,
        stop: Option<StopReason>,
    ) -> Result<Box<Begun>, Error> {
        let status = answer.parts.status;
        let is_here = answer.body.whole_if_here().is_some();
        if !is_here && self.taking.wants_all(status, &answer.parts.headers) {
            // Boxed, as mostly all of it is here.
            let rest = Box::pin(self.within_plan(plan, answer.body.whole()));
            if let Err(Broken { fault, source }) = rest.await {
                return Err(Error::of_fault(fault.kind, self.record(stop), source)
                    .with_answer(answer.into_answered()));
            }
        }
        let change = Change::of(&mut answer.parts.extensions);
        // What changes over has no body, and goes on all the same.
        if (!is_here || change.is_some()) && self.taking.streams(status, &answer.parts.headers) {
            let spent = self.now().since(self.began);
            let left = self.tuning.deadline.map(|deadline| deadline.saturating_sub(spent));
            answer.body.bound_by(left.and_then(|left| Instant::now().checked_add(left)));
            answer.body.told_by(self.seat.take());
        }
        let Answer { parts: http::response::Parts { version, headers, .. }, body, .. } = *answer;
        // Boxed, as it would be moved with each future on its way out.
        Ok(Box::new(Begun { status, version, headers, body, record: self.record(stop), change }))
    }

    fn record(self: Box<Self>, stop: Option<StopReason>) -> Record {
        let Self { session, operation, .. } = *self;
        Record { history: session.finish(), stop, ..operation.into_record() }
    }

    fn record_so_far(&self) -> Record {
        Record { history: self.session.history().clone(), ..self.operation.record() }
    }
}
