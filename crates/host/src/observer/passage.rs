use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use reveille_wire::SandboxName;

use super::{Began, Ended, Hub, Outcome};

/// One request on its way through the gateway. Its end is told when this is dropped.
#[derive(Debug)]
pub(crate) struct Passage {
    hub: Arc<Hub>,
    began: Arc<Began>,
    since: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    course: Mutex<Course>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy)]
enum Course {
    Arrived,
    Forwarded,
    /// Nothing that comes later changes what became of it.
    Decided {
        outcome: Outcome,
        after: Option<Duration>,
    },
}

/// What became of a request that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    pub(super) outcome: Outcome,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) answered_after: Option<Duration>,
    since: Instant,
}

impl Passage {
    pub(super) fn new(hub: Arc<Hub>, began: Arc<Began>) -> Self {
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { hub, began, since: Instant::now(), sent, received, course: Mutex::new(Course::Arrived) }
    }

    /// The sandbox that it is for.
    pub(crate) fn sandbox(&self) -> &SandboxName {
        &self.began.sandbox
    }

    /// It was handed to the agent: from now on it may be carried out. Said once.
    pub(crate) fn forwarded(&self) {
        let mut course = self.course();
        if let Course::Arrived = *course {
            *course = Course::Forwarded;
            self.hub.forwarded(&self.began);
        }
    }

    /// The head of the sandbox's answer came.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.forwarded();
        let mut course = self.course();
        if let Course::Forwarded = *course {
            *course =
                Course::Decided { outcome: Outcome::Answered(status), after: Some(self.since.elapsed()) };
        }
    }

    /// The gateway answered by itself. A request that was handed to the agent stays one without its answer.
    pub(crate) fn refused(&self, status: StatusCode) {
        self.turn_away(Outcome::Refused(status), Some(self.since.elapsed()));
    }

    /// Its connection is reset without an answer. As [`Passage::refused`].
    pub(crate) fn reset(&self) {
        self.turn_away(Outcome::Reset, None);
    }

    /// So many bytes came from the client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes came from the sandbox.
    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn turn_away(&self, outcome: Outcome, after: Option<Duration>) {
        let mut course = self.course();
        if let Course::Arrived = *course {
            *course = Course::Decided { outcome, after };
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let course = *self.course();
        let (outcome, answered_after) = match course {
            Course::Arrived => (Outcome::Left, None),
            Course::Forwarded => (Outcome::Broken, None),
            Course::Decided { outcome, after } => (outcome, after),
        };
        let passed = Passed {
            outcome,
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            answered_after,
            since: self.since,
        };
        self.hub.ended(&self.began, &passed);
    }
}

impl Passed {
    /// The same, told of the request that it was.
    pub(super) fn of(&self, began: &Began) -> Ended {
        let Self { outcome, sent, received, answered_after, since } = *self;
        let (id, method, path) = (began.id, began.method.clone(), began.path.clone());
        Ended { id, method, path, outcome, sent, received, answered_after, took: since.elapsed() }
    }
}
