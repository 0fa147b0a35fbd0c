//! The one loop that sends, decides and waits.

mod arriving;
mod attempt;

use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode, Version};
use reveille_retry::{AttemptPlan, FaultKind, Head, RetryPolicy, Session, StopReason, Tick, Verdict};
use tracing::Instrument;

use crate::client::Client;
use crate::error::{Answered, Error, Record};
use crate::operation::{Operation, Patience, Tuning};
use crate::transport::Broken;

pub(crate) use arriving::Arriving;
use attempt::Answer;

/// How the answer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Whole, read inside the attempt, whatever its status.
    Whole,
    /// Whole; of a status that is no success its beginning is enough.
    Typed,
    /// Its body is handed on as it comes, whatever its status.
    Stream,
    /// The body of a success is handed on as it comes.
    TypedStream,
}

impl Taking {
    fn streams(self, status: StatusCode) -> bool {
        self == Self::Stream || (self == Self::TypedStream && status.is_success())
    }
}

/// What a call brought.
pub(crate) struct Outcome {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Arriving,
    pub(crate) record: Record,
}

impl Outcome {
    /// The part of it that an error keeps.
    pub(crate) fn into_answered(self) -> (Answered, Record) {
        let body = self.body.into_held();
        (Answered { status: self.status, headers: self.headers, body }, self.record)
    }
}

/// Sends an operation as often as its session says.
pub(crate) async fn drive(
    client: Client,
    operation: Operation,
    tuning: Tuning,
    taking: Taking,
) -> Result<Outcome, Error> {
    let span = tracing::debug_span!(
        "reveille.call",
        http.request.method = %operation.method,
        url.path = operation.target.shown(),
        http.request.resend_count = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    );
    let call = Driver::new(client, operation, tuning, taking)?;
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
    client: Client,
    operation: Operation,
    uri: http::Uri,
    tuning: Tuning,
    taking: Taking,
    session: Session,
    start: Instant,
    quiet: Duration,
}

impl Driver {
    fn new(client: Client, mut operation: Operation, tuning: Tuning, taking: Taking) -> Result<Self, Error> {
        if let Some(error) = operation.take_invalid() {
            return Err(error);
        }
        let uri = operation.target.uri(&client)?;
        let policy = tuning.policy.unwrap_or(client.policy());
        let policy: RetryPolicy = match tuning.attempt_timeout {
            Some(timeout) => policy.with_attempt_timeout(timeout),
            None => policy,
        };
        let session =
            Session::new(&policy, operation.replay, fastrand::u64(..)).resend(operation.body.resend());
        let session = match tuning.deadline {
            Some(deadline) => session.deadline(Tick::ZERO.after(deadline)),
            None => session,
        };
        let quiet = match operation.patience {
            Patience::Usual => client.transport().read_timeout(),
            Patience::Waiting => Duration::MAX,
        };
        Ok(Self { client, operation, uri, tuning, taking, session, start: Instant::now(), quiet })
    }

    async fn run(mut self) -> Result<Outcome, Error> {
        loop {
            let plan = match self.session.begin(self.now()) {
                Ok(plan) => plan,
                Err(stop) => return Err(Error::of_fault(FaultKind::Deadline, self.record(Some(stop)), None)),
            };
            let brought = self.attempt(&plan).await?;
            let verdict = self.judge(&brought);
            self.tell(&plan, verdict);
            let stop = match verdict {
                Verdict::Retry { wait, .. } => {
                    // The answer goes first, so that no connection is held during the wait.
                    drop(brought);
                    tokio::time::sleep(wait).await;
                    continue;
                }
                Verdict::Deliver => None,
                Verdict::Stop(stop) => Some(stop),
                _ => Some(StopReason::Permanent),
            };
            return match brought {
                Ok(answer) => self.deliver(answer, &plan, stop).await,
                Err(Broken { fault, source }) => Err(Error::of_fault(fault.kind, self.record(stop), source)),
            };
        }
    }

    fn now(&self) -> Tick {
        Tick::ZERO.after(self.start.elapsed())
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
    ) -> Result<Outcome, Error> {
        let status = answer.parts.status;
        let broken = if self.taking == Taking::Whole {
            self.within_plan(plan, answer.body.whole()).await.err()
        } else {
            None
        };
        if self.taking.streams(status) {
            answer.body.bound_by(self.tuning.deadline.and_then(|deadline| self.start.checked_add(deadline)));
        }
        let outcome = Outcome {
            status,
            version: answer.parts.version,
            headers: answer.parts.headers,
            body: answer.body,
            record: self.record(stop),
        };
        match broken {
            None => Ok(outcome),
            Some(Broken { fault, source }) => {
                let (answered, record) = outcome.into_answered();
                Err(Error::of_fault(fault.kind, record, source).with_answer(answered))
            }
        }
    }

    fn record(self, stop: Option<StopReason>) -> Record {
        Record {
            path: self.operation.target.shown().to_owned(),
            method: self.operation.method,
            replay: self.operation.replay,
            history: self.session.finish(),
            stop,
        }
    }
}
