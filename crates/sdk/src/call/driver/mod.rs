//! The one loop that sends, decides and waits.

mod attempt;
mod identity;
mod race;
mod word;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_retry::{
    AfterRefusal, AttemptPlan, FaultKind, Head, RetryPolicy, Session, StopReason, Tick, Verdict,
};
use tracing::Instrument;

use super::operation::Probe;
use super::{Operation, Patience, Readiness, Tuning};
use crate::answer::{Begun, Taking, Whole};
use crate::core::transport::Broken;
use crate::core::{Core, Seat, Secret};
use crate::error::{Answered, Error};
use crate::record::{Probed, Record};
use attempt::Answer;

/// Sends an operation as often as its session says.
pub(crate) async fn drive(
    core: Arc<Core>,
    operation: Operation,
    tuning: Tuning,
    taking: Taking,
) -> Result<Begun, Error> {
    let span = tracing::debug_span!(
        "reveille.call",
        http.request.method = %operation.method,
        url.path = operation.target.shown(),
        http.request.resend_count = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    );
    let call = Driver::new(core, operation, tuning, taking)?;
    let outcome = call.run().instrument(span.clone()).await;
    let (history, status) = match &outcome {
        Ok(outcome) => (Some(&outcome.record.history), Some(outcome.status)),
        Err(error) => (error.history(), error.status()),
    };
    span.record("http.request.resend_count", history.map_or(0, |history| history.len().saturating_sub(1)));
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
    outcome
}

/// One logical call on its way.
struct Driver {
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
    start: Instant,
    quiet: Duration,
    /// The access token that the last attempt showed.
    token: Option<Secret>,
    /// The answer whose body broke, or was cut, in the last attempt.
    open: Option<Answer>,
}

impl Driver {
    fn new(
        core: Arc<Core>,
        mut operation: Operation,
        mut tuning: Tuning,
        taking: Taking,
    ) -> Result<Self, Error> {
        tuning.deadline = tuning.deadline.or(core.settings.deadline);
        if let Some(error) = operation.take_invalid() {
            return Err(error);
        }
        let uri = operation.target.uri()?;
        let policy = tuning.policy.unwrap_or(core.settings.policy);
        let policy: RetryPolicy = match tuning.attempt_timeout {
            Some(timeout) => policy.with_attempt_timeout(timeout),
            None => policy,
        };
        let session =
            Session::new(&policy, operation.replay(), fastrand::u64(..)).resend(operation.body.resend());
        let now = core.watches.now();
        let session = match tuning.deadline {
            Some(deadline) => session.deadline(now.after(deadline)),
            None => session,
        };
        let quiet = match operation.patience {
            Patience::Usual => core.transport.read_timeout(),
            Patience::Waiting => Duration::MAX,
        };
        let is_shared = operation.readiness == Readiness::OfTarget
            && core.settings.readiness.is_some()
            && tuning.probe == Probe::Usual
            && policy.retries() > 0;
        let seat = is_shared
            .then(|| core.watches.seat(operation.target.base(), operation.replay(), session.last_send(now)));
        let start = Instant::now();
        let (probed, token, open) = (None, None, None);
        Ok(Self { core, operation, uri, tuning, taking, session, seat, probed, start, quiet, token, open })
    }

    async fn run(self) -> Result<Begun, Error> {
        let Readiness::Ends(sandbox) = self.operation.readiness.clone() else { return self.go().await };
        let core = Arc::clone(&self.core);
        core.watches.forget(&sandbox);
        let ended = self.go().await;
        // Whoever went meanwhile may have been answered before it fell asleep.
        core.watches.forget(&sandbox);
        ended
    }

    async fn go(mut self) -> Result<Begun, Error> {
        loop {
            if let Err(stop) = self.word().await {
                let probed = self.probed;
                return Err(Error::unsent(self.record(Some(stop)), probed));
            }
            let plan = match self.session.begin(self.now()) {
                Ok(plan) => plan,
                Err(stop) => return Err(Error::of_fault(FaultKind::Deadline, self.record(Some(stop)), None)),
            };
            let brought = self.attempt(&plan).await?;
            let verdict = self.judge(&brought);
            self.tell(&plan, verdict);
            let after = self.tell_of_sandbox(&brought, verdict);
            let stop = match verdict {
                Verdict::Retry { wait, .. } => {
                    // The answer goes first, so that no connection is held during the wait.
                    drop((brought, self.open.take()));
                    if after == AfterRefusal::OwnSchedule {
                        tokio::time::sleep(wait).await;
                    }
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
                        Some(Answer { parts, body, .. }) => error.with_answer(Answered {
                            status: parts.status,
                            headers: parts.headers,
                            body: body.into_held(),
                        }),
                        None => error,
                    })
                }
            };
        }
    }

    fn now(&self) -> Tick {
        self.core.watches.now()
    }

    fn judge(&mut self, brought: &Result<Answer, Broken>) -> Verdict {
        let now = self.now();
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
        mut self,
        mut answer: Answer,
        plan: &AttemptPlan,
        stop: Option<StopReason>,
    ) -> Result<Begun, Error> {
        let status = answer.parts.status;
        let broken = if self.taking.wants_all(status, &answer.parts.headers) {
            self.within_plan(plan, answer.body.whole()).await.err()
        } else {
            None
        };
        if self.taking.streams(status, &answer.parts.headers) {
            answer.body.bound_by(self.tuning.deadline.and_then(|deadline| self.start.checked_add(deadline)));
            answer.body.told_by(self.seat.take());
        }
        let change = answer.parts.extensions.remove();
        let answer = Begun {
            status,
            version: answer.parts.version,
            headers: answer.parts.headers,
            body: answer.body,
            record: self.record(stop),
            change,
        };
        match broken {
            None => Ok(answer),
            Some(Broken { fault, source }) => {
                let Whole { answered, record, .. } = answer.into_whole();
                Err(Error::of_fault(fault.kind, record, source).with_answer(answered))
            }
        }
    }

    fn record(self, stop: Option<StopReason>) -> Record {
        Record { history: self.session.finish(), stop, ..self.operation.record() }
    }

    fn record_so_far(&self) -> Record {
        Record { history: self.session.history().clone(), ..self.operation.record() }
    }
}
