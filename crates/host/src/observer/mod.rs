//! What happens in a host, told once, as it happens, to whoever wants to know.
//!
//! There is one stream of [`Event`]s. Who subscribes gets what is true now and then every change of it, without
//! a gap between the two. Telling never waits: a listener that is too slow is told how much it has missed.

mod event;
mod metrics;
mod passage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use http::{Method, StatusCode};
use reveille_wire::SandboxName;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

pub use event::{Began, Ended, Event, Outcome, Phase, RequestId, SandboxSeen, Seen, Snapshot, What};
use metrics::Metrics;
pub(crate) use metrics::{Now, Room};
pub(crate) use passage::Passage;
use passage::Passed;

/// How many events a listener may be behind before it misses some.
const BACKLOG: usize = 4096;

/// Tells what happens.
#[derive(Debug)]
pub(crate) struct Hub {
    known: Mutex<Known>,
    events: broadcast::Sender<Event>,
    metrics: Metrics,
}

/// What is true now.
#[derive(Debug, Default)]
struct Known {
    said: u64,
    requests: u64,
    phases: BTreeMap<SandboxName, Phase>,
    /// Since when sandboxes wake that do.
    waking: BTreeMap<SandboxName, Instant>,
    open: BTreeMap<RequestId, Arc<Began>>,
}

/// What is true of a host, and everything that happens from then on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Observation {
    /// What was true when this was asked for.
    pub snapshot: Snapshot,
    /// What happened since then.
    pub events: Events,
}

/// The events of a host, from a snapshot on.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        let events = broadcast::channel(BACKLOG).0;
        Arc::new(Self { known: Mutex::default(), events, metrics: Metrics::new() })
    }

    /// What is true now, and everything that happens from now on.
    pub(crate) fn observe(&self) -> Observation {
        let known = self.known();
        let sandboxes =
            known.phases.iter().map(|(name, phase)| SandboxSeen { name: name.clone(), phase: *phase });
        let snapshot = Snapshot {
            at: SystemTime::now(),
            number: known.said,
            sandboxes: sandboxes.collect(),
            requests: known.open.values().map(|began| (**began).clone()).collect(),
        };
        Observation { snapshot, events: Events(self.events.subscribe()) }
    }

    /// A request to a sandbox has reached the gateway.
    pub(crate) fn request(self: &Arc<Self>, sandbox: &SandboxName, method: &Method, path: &str) -> Passage {
        let at = SystemTime::now();
        let mut known = self.known();
        known.requests += 1;
        let began = Arc::new(Began {
            id: RequestId(known.requests),
            at,
            sandbox: sandbox.clone(),
            method: method.clone(),
            path: path.to_owned(),
        });
        known.open.insert(began.id, Arc::clone(&began));
        self.say(&mut known, sandbox, || What::RequestBegan((*began).clone()));
        drop(known);
        Passage::new(Arc::clone(self), began)
    }

    /// A sandbox is in another phase than before.
    pub(crate) fn phase(&self, sandbox: &SandboxName, phase: Phase) {
        let mut known = self.known();
        let before = match phase {
            Phase::Gone => known.phases.remove(sandbox),
            _ => known.phases.insert(sandbox.clone(), phase),
        };
        if before != Some(phase) {
            self.count_phase(&mut known, sandbox, before, phase);
            self.say(&mut known, sandbox, || What::Phase(phase));
        }
    }

    fn count_phase(&self, known: &mut Known, sandbox: &SandboxName, before: Option<Phase>, phase: Phase) {
        let since = known.waking.remove(sandbox);
        match (phase, since) {
            (Phase::Waking, _) => drop(known.waking.insert(sandbox.clone(), Instant::now())),
            (Phase::Awake, Some(since)) => self.metrics.woke(since.elapsed()),
            (Phase::Asleep, _) if before == Some(Phase::Settling) => self.metrics.fell_asleep(),
            _ => {}
        }
    }

    /// A client was answered; `None`: its connection was reset.
    pub(crate) fn served(&self, room: Room, status: Option<StatusCode>) {
        self.metrics.answered(room, status);
    }

    /// Everything that is counted, as Prometheus reads it.
    pub(crate) fn metrics(&self, now: Now) -> String {
        let known = self.known();
        self.metrics.text(known.open.len(), known.phases.values().copied(), now)
    }

    /// A sandbox did not wake.
    pub(crate) fn wake_failed(&self, sandbox: &SandboxName, reason: Arc<str>) {
        self.metrics.did_not_wake();
        self.say(&mut self.known(), sandbox, || What::WakeFailed { reason });
    }

    fn forwarded(&self, began: &Began) {
        self.say(&mut self.known(), &began.sandbox, || What::RequestForwarded(began.id));
    }

    fn ended(&self, began: &Began, passed: &Passed) {
        self.metrics.ended(passed);
        let mut known = self.known();
        known.open.remove(&began.id);
        self.say(&mut known, &began.sandbox, || What::RequestEnded(passed.of(began)));
    }

    /// Tells it where somebody listens. What is told is not even made where nobody does.
    fn say(&self, known: &mut Known, sandbox: &SandboxName, what: impl FnOnce() -> What) {
        known.said += 1;
        // Who subscribes holds what is known, so that nobody comes to listen meanwhile.
        if self.events.receiver_count() == 0 {
            return;
        }
        let event =
            Event { number: known.said, at: SystemTime::now(), sandbox: sandbox.clone(), what: what() };
        // Whoever listened may have stopped just now.
        self.events.send(event).ok();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is behind the lock is whole between any two statements that can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// The next one, once there is one; `None`: the host has ended, and nothing happens any more.
    pub async fn next(&mut self) -> Option<Seen> {
        match self.0.recv().await {
            Ok(event) => Some(Seen::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Seen::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next one if it has happened already.
    pub fn try_next(&mut self) -> Option<Seen> {
        match self.0.try_recv() {
            Ok(event) => Some(Seen::Event(event)),
            Err(TryRecvError::Lagged(missed)) => Some(Seen::Missed(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SandboxName {
        SandboxName::new("box").unwrap()
    }

    fn said(events: &mut Events) -> Vec<What> {
        let mut all = Vec::new();
        while let Some(Seen::Event(event)) = events.try_next() {
            assert_eq!(event.sandbox, name());
            all.push(event.what);
        }
        all
    }

    #[test]
    fn a_snapshot_and_what_follows_have_no_gap_between_them() {
        let hub = Hub::new();
        hub.phase(&name(), Phase::Asleep);
        let before = hub.request(&name(), &Method::GET, "/before");
        let Observation { snapshot, mut events } = hub.observe();
        assert_eq!(snapshot.sandboxes, [SandboxSeen { name: name(), phase: Phase::Asleep }]);
        assert_eq!(
            snapshot.requests.iter().map(|began| began.path.as_str()).collect::<Vec<_>>(),
            ["/before"]
        );
        hub.phase(&name(), Phase::Awake);
        drop(before);
        let Some(Seen::Event(first)) = events.try_next() else { panic!("something happened") };
        assert_eq!((first.number, first.what), (snapshot.number + 1, What::Phase(Phase::Awake)));
        assert!(matches!(said(&mut events)[..], [What::RequestEnded(_)]));
        assert!(hub.observe().snapshot.requests.is_empty());
    }

    #[test]
    fn a_phase_is_told_when_it_changes_and_only_then() {
        let hub = Hub::new();
        let mut events = hub.observe().events;
        for phase in [Phase::Asleep, Phase::Asleep, Phase::Waking, Phase::Gone] {
            hub.phase(&name(), phase);
        }
        let phases = [Phase::Asleep, Phase::Waking, Phase::Gone].map(What::Phase);
        assert_eq!(said(&mut events), phases);
        assert!(hub.observe().snapshot.sandboxes.is_empty());
    }

    #[test]
    fn who_is_too_slow_is_told_how_much_it_missed() {
        let hub = Hub::new();
        let mut events = hub.observe().events;
        for _ in 0..BACKLOG + 10 {
            hub.wake_failed(&name(), "no room".into());
        }
        assert!(matches!(events.try_next(), Some(Seen::Missed(missed)) if missed >= 10));
        assert!(matches!(events.try_next(), Some(Seen::Event(_))));
    }

    #[test]
    fn a_request_ends_once_with_what_became_of_it_and_what_passed() {
        let hub = Hub::new();
        let mut events = hub.observe().events;
        let passage = hub.request(&name(), &Method::POST, "/orders");
        passage.forwarded();
        passage.forwarded();
        passage.sent(3);
        passage.answered(StatusCode::CREATED);
        passage.received(4);
        passage.received(5);
        drop(passage);
        let said = said(&mut events);
        let [What::RequestBegan(began), What::RequestForwarded(id), What::RequestEnded(ended)] = &said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!((began.id, ended.id), (*id, *id));
        assert_eq!(
            (ended.outcome, ended.sent, ended.received),
            (Outcome::Answered(StatusCode::CREATED), 3, 9)
        );
    }

    #[test]
    fn what_became_of_a_request_is_what_it_was_seen_to_be() {
        let outcome = |act: &dyn Fn(&Passage)| {
            let hub = Hub::new();
            let mut events = hub.observe().events;
            act(&hub.request(&name(), &Method::GET, "/"));
            let Some(What::RequestEnded(ended)) = said(&mut events).pop() else { panic!("it ended") };
            ended.outcome
        };
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(outcome(&|_: &Passage| {}), Outcome::Left);
        assert_eq!(outcome(&|passage: &Passage| passage.refused(unavailable)), Outcome::Refused(unavailable));
        assert_eq!(outcome(&Passage::reset), Outcome::Reset);
        assert_eq!(outcome(&Passage::forwarded), Outcome::Broken);
        let then_refused = |passage: &Passage| {
            passage.answered(StatusCode::OK);
            passage.refused(StatusCode::BAD_GATEWAY);
        };
        assert_eq!(outcome(&then_refused), Outcome::Answered(StatusCode::OK));
        let forwarded_then_refused = |passage: &Passage| {
            passage.forwarded();
            passage.refused(StatusCode::BAD_GATEWAY);
        };
        assert_eq!(outcome(&forwarded_then_refused), Outcome::Broken);
    }
}
