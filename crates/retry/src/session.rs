use std::time::Duration;

use http::StatusCode;

use crate::schedule::Schedule;
use crate::{
    Attempt, Dispatch, Fault, FaultKind, Head, History, Proof, Refusal, Replay, Resend, RetryPolicy, Seen,
    StopReason, Tick, Verdict, retry_after,
};

/// A further attempt that would have less time than this is not begun.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(10);

/// One logical call: it decides after each attempt, and keeps what was seen.
///
/// Call [`begin`](Self::begin) before each attempt, then one of [`on_head`](Self::on_head) and
/// [`on_fault`](Self::on_fault); where the head was delivered and its body then broke, `on_fault` again.
#[derive(Debug)]
pub struct Session {
    policy: RetryPolicy,
    replay: Replay,
    resend: Resend,
    deadline: Option<Tick>,
    start: Option<Tick>,
    began: Tick,
    schedule: Schedule,
    /// The wait that the last verdict granted, until the attempt after it begins.
    granted: Option<Duration>,
    may_have_run: bool,
    attempt: Stage,
    history: History,
}

/// How far the attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begun,
    /// Something was seen of it, and it stands in the history.
    Seen,
}

/// What bounds an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptPlan {
    /// 1 for the first.
    pub number: u32,
    /// How long it may take, and what ends it then.
    pub limit: Option<(Duration, Limit)>,
}

/// What ends an attempt that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The attempt's own time-out: another attempt may follow.
    Attempt,
    /// The deadline of the call.
    Deadline,
}

impl Limit {
    /// The fault to report when it strikes.
    #[must_use]
    pub const fn fault(self) -> FaultKind {
        match self {
            Self::Attempt => FaultKind::AttemptTimeout,
            Self::Deadline => FaultKind::Deadline,
        }
    }
}

impl Session {
    /// A call under a policy. The seed decides the jitter; callers that are to spread need different ones.
    #[must_use]
    pub fn new(policy: &RetryPolicy, replay: Replay, seed: u64) -> Self {
        Self {
            policy: *policy,
            replay,
            resend: Resend::Again,
            deadline: None,
            start: None,
            began: Tick::ZERO,
            schedule: Schedule::new(seed),
            granted: None,
            may_have_run: false,
            attempt: Stage::Begun,
            history: History::new(),
        }
    }

    /// Says whether the request's body can be sent a second time.
    #[must_use]
    pub fn resend(mut self, resend: Resend) -> Self {
        self.resend = resend;
        self
    }

    /// Ends the call at `deadline`, whatever it is doing.
    #[must_use]
    pub fn deadline(mut self, deadline: Tick) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same of a call that is made already, when its time begins.
    pub fn end_at(&mut self, deadline: Tick) {
        self.deadline = Some(deadline);
    }

    /// Begins an attempt.
    ///
    /// # Errors
    /// [`StopReason::Deadline`] when there is no time left for one: none at all for a first attempt, less than
    /// 10 ms for a further one.
    pub fn begin(&mut self, now: Tick) -> Result<AttemptPlan, StopReason> {
        self.start.get_or_insert(now);
        self.began = now;
        self.granted = None;
        self.attempt = Stage::Begun;
        let number = u32::try_from(self.history.len()).unwrap_or(u32::MAX).saturating_add(1);
        let own = self.policy.attempt_timeout.map(|timeout| (timeout, Limit::Attempt));
        let limit = match self.time_left(now) {
            Some(Duration::ZERO) => return Err(StopReason::Deadline),
            Some(left) if number > 1 && left < SHORTEST_ATTEMPT => return Err(StopReason::Deadline),
            Some(left) if own.is_none_or(|(timeout, _)| left <= timeout) => Some((left, Limit::Deadline)),
            _ => own,
        };
        Ok(AttemptPlan { number, limit })
    }

    /// Decides on the head of an answer.
    pub fn on_head(&mut self, now: Tick, head: &Head<'_>) -> Verdict {
        let (transient, dispatch) = match head.refusal {
            Some(Refusal::NotDispatched) => (true, Dispatch::NotDispatched(Proof::Gateway)),
            Some(Refusal::Unavailable) => (true, Dispatch::Answered),
            None => (self.is_transient(head.status), Dispatch::Answered),
        };
        let dispatch = self.witness(dispatch);
        let verdict = if transient { self.decide(now, retry_after(head.headers)) } else { Verdict::Deliver };
        self.note(now, Seen::Status(head.status), dispatch, verdict)
    }

    /// Decides on an attempt that brought no usable answer.
    pub fn on_fault(&mut self, now: Tick, fault: Fault) -> Verdict {
        let dispatch = self.witness(fault.dispatch);
        let verdict = match fault.kind {
            FaultKind::Deadline => Verdict::Stop(StopReason::Deadline),
            kind if !kind.is_transient() => Verdict::Stop(StopReason::Permanent),
            _ => self.decide(now, None),
        };
        self.note(now, Seen::Fault(fault.kind), dispatch, verdict)
    }

    /// The attempt under way is silent: may another one begin beside it?
    ///
    /// On [`Verdict::Retry`] it may, at once, and has: the silent one stands in the history as
    /// [`FaultKind::Silent`], a retry is spent, and what comes next, from either, is told of the new one. On
    /// anything else nothing has changed. Only what may be sent again whatever became of it is ever raced.
    pub fn race(&mut self, now: Tick) -> Verdict {
        let stop = match (self.replay, self.resend) {
            (Replay::Never, _) => Some(StopReason::NotReplayable),
            (_, Resend::Once) => Some(StopReason::BodyOnce),
            _ if self.policy.retries == 0 => Some(StopReason::RetriesOff),
            _ if self.schedule.spent >= self.policy.retries => Some(StopReason::Exhausted),
            _ => None,
        };
        if let Some(stop) = stop {
            return Verdict::Stop(stop);
        }
        self.schedule.spent += 1;
        self.may_have_run = true;
        let at_once = Verdict::Retry { wait: Duration::ZERO };
        let verdict = self.note(now, Seen::Fault(FaultKind::Silent), Dispatch::Unknown, at_once);
        self.began = now;
        self.attempt = Stage::Begun;
        verdict
    }

    /// Whether an answer of this status is retried under the policy of this call, as far as replay and budget
    /// allow.
    ///
    /// It decides nothing and notes nothing: a caller asks it before it has read the body of an answer, to know
    /// whether the body is worth reading.
    ///
    /// ```
    /// use http::StatusCode;
    /// use reveille_retry::{Replay, RetryPolicy, Session};
    ///
    /// let session = Session::new(&RetryPolicy::new(), Replay::Read, 7);
    /// assert!(session.is_transient(StatusCode::SERVICE_UNAVAILABLE));
    /// assert!(!session.is_transient(StatusCode::NOT_FOUND));
    /// ```
    #[must_use]
    pub fn is_transient(&self, status: StatusCode) -> bool {
        self.policy.statuses.contains(status)
    }

    /// When the call's own schedule would send for the last time, if it began, or went on, now.
    ///
    /// Until then a call may wait for the word of its sandbox ([`Readiness`](crate::Readiness)) in place of the
    /// waits that it would have made: before its first attempt, and after a [`Verdict::Retry`]. What bounds the
    /// call bounds this too.
    #[must_use]
    pub fn last_send(&self, now: Tick) -> Tick {
        let end =
            self.time_left(now).map_or(Tick::MAX, |left| now.after(left.saturating_sub(SHORTEST_ATTEMPT)));
        self.schedule.last(&self.policy, now, self.granted, end)
    }

    /// Says that the call has waited for the word of its sandbox since `since`, and goes on now.
    ///
    /// The retries whose moments have passed are spent, and the next attempt stands for the last of them; those
    /// that follow keep their places in the schedule.
    pub fn waited(&mut self, since: Tick, now: Tick) {
        self.start.get_or_insert(since);
        let waited = now.since(since);
        // A wait that was granted and not made is one that the schedule has to be told of.
        if waited.is_zero() && self.granted.unwrap_or_default().is_zero() {
            return;
        }
        self.schedule.pass(&self.policy, waited, self.granted.take());
        self.history.wait_for_probe(waited);
    }

    /// How long the call may still take, where anything bounds it.
    #[must_use]
    pub fn time_left(&self, now: Tick) -> Option<Duration> {
        let limit = self.policy.limit.map(|limit| self.start.unwrap_or(now).after(limit));
        let end = [self.deadline, limit].into_iter().flatten().min()?;
        Some(end.since(now))
    }

    /// The policy that it is under.
    #[must_use]
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// What was seen so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was seen.
    #[must_use]
    pub fn finish(self) -> History {
        self.history
    }

    /// Remembers what is known of the request, and gives what is to be held of it: once a head came, nothing
    /// that is said later of the same attempt proves that it was not dispatched.
    fn witness(&mut self, dispatch: Dispatch) -> Dispatch {
        let dispatch = match (self.attempt, self.history.last()) {
            (Stage::Seen, Some(Attempt { dispatch: Dispatch::Answered, .. })) => Dispatch::Answered,
            _ => dispatch,
        };
        self.may_have_run |= !matches!(dispatch, Dispatch::NotDispatched(_));
        dispatch
    }

    /// Decides on transient evidence.
    fn decide(&mut self, now: Tick, server_delay: Option<Duration>) -> Verdict {
        if self.replay == Replay::Never && self.may_have_run {
            return Verdict::Stop(StopReason::NotReplayable);
        }
        if self.policy.retries == 0 {
            return Verdict::Stop(StopReason::RetriesOff);
        }
        if self.resend == Resend::Once {
            return Verdict::Stop(StopReason::BodyOnce);
        }
        if self.schedule.spent >= self.policy.retries {
            return Verdict::Stop(StopReason::Exhausted);
        }
        match self.next_wait(now, server_delay) {
            Ok(wait) => {
                self.schedule.spent += 1;
                self.granted = Some(wait);
                Verdict::Retry { wait }
            }
            Err(stop) => Verdict::Stop(stop),
        }
    }

    /// The wait before the next attempt: the policy's own, or the server's where that is longer.
    fn next_wait(&mut self, now: Tick, server_delay: Option<Duration>) -> Result<Duration, StopReason> {
        let next = self.schedule.next(&self.policy);
        let (own, jitter) = (next.whole, next.jitter);
        let (wait, too_long) = match server_delay {
            Some(asked) if asked > self.policy.server_delay_cap => {
                return Err(StopReason::ServerDelayTooLong(asked));
            }
            Some(asked) if asked.saturating_add(jitter) > own => {
                (asked.saturating_add(jitter), StopReason::ServerDelayTooLong(asked))
            }
            _ => (own, StopReason::Deadline),
        };
        let fits = self.time_left(now).is_none_or(|left| wait.saturating_add(SHORTEST_ATTEMPT) <= left);
        if fits { Ok(wait) } else { Err(too_long) }
    }

    fn note(&mut self, now: Tick, seen: Seen, dispatch: Dispatch, verdict: Verdict) -> Verdict {
        let wait = match verdict {
            Verdict::Retry { wait } => wait,
            Verdict::Deliver | Verdict::Stop(_) => Duration::ZERO,
        };
        let began = self.began.since(self.start.unwrap_or(self.began));
        let took = now.since(self.began);
        let attempt = Attempt { seen, dispatch, began, took, wait, waited_for_probe: Duration::ZERO };
        match std::mem::replace(&mut self.attempt, Stage::Seen) {
            Stage::Begun => self.history.push(attempt),
            Stage::Seen => self.history.amend(attempt),
        }
        verdict
    }
}
