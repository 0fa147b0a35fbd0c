use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What is open to one sandbox, and since when nothing has moved.
#[derive(Debug)]
pub(crate) struct Ledger {
    open: BTreeMap<OpenId, Open>,
    opened: u64,
    quiet_since: Instant,
    not_before: Instant,
    rules: Rules,
}

/// How long what counts.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// How long nothing may happen before the sandbox is due.
    pub(crate) standby_after: Duration,
    /// How long something open counts while nothing moves on it.
    pub(crate) silence: Duration,
}

/// One request, with its stream or tunnel, until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OpenId(u64);

#[derive(Debug)]
struct Open {
    moved: Instant,
    answered: bool,
}

impl Ledger {
    pub(crate) fn new(now: Instant, rules: Rules) -> Self {
        Self { open: BTreeMap::new(), opened: 0, quiet_since: now, not_before: now, rules }
    }

    /// A request begins.
    pub(crate) fn open(&mut self, now: Instant) -> OpenId {
        self.opened += 1;
        let id = OpenId(self.opened);
        self.open.insert(id, Open { moved: now, answered: false });
        id
    }

    /// Something moved on it.
    pub(crate) fn moved(&mut self, id: OpenId, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            open.moved = now;
        }
    }

    /// The head of its answer came; the rest of it is a stream.
    pub(crate) fn answered(&mut self, id: OpenId, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            *open = Open { moved: now, answered: true };
        }
    }

    /// It ended.
    pub(crate) fn close(&mut self, id: OpenId, now: Instant) {
        if self.open.remove(&id).is_some() {
            self.quiet_since = self.quiet_since.max(now);
        }
    }

    /// The sandbox came awake.
    pub(crate) fn woke(&mut self, now: Instant) {
        self.quiet_since = self.quiet_since.max(now);
    }

    /// Something that cannot be seen from here keeps it awake: look again after the usual time.
    pub(crate) fn look_again(&mut self, now: Instant) {
        // Never at once, or a standby time of nothing would ask without a pause.
        let pause = self.rules.standby_after.max(Duration::from_secs(1));
        self.not_before = now.checked_add(pause).unwrap_or(now);
    }

    /// How many requests wait for the head of their answer.
    pub(crate) fn unanswered(&self) -> usize {
        self.open.values().filter(|open| !open.answered).count()
    }

    /// When the sandbox is due for standby if nothing moves until then; `None`: never.
    pub(crate) fn due(&self) -> Option<Instant> {
        let silence = self.rules.silence.max(self.rules.standby_after);
        let mut due = self.quiet_since.checked_add(self.rules.standby_after)?.max(self.not_before);
        for open in self.open.values() {
            due = due.max(open.moved.checked_add(silence)?);
        }
        Some(due)
    }

    /// Whether it is due now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn ledger(now: Instant) -> Ledger {
        Ledger::new(now, Rules { standby_after: 15 * SECOND, silence: 15 * MINUTE })
    }

    #[test]
    fn it_is_due_a_while_after_the_last_request_ended() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        assert_eq!(ledger.due(), Some(start + 15 * SECOND));
        let request = ledger.open(start + 10 * SECOND);
        assert!(!ledger.is_due(start + 15 * SECOND));
        ledger.close(request, start + 12 * SECOND);
        assert_eq!(ledger.due(), Some(start + 27 * SECOND));
        assert!(!ledger.is_due(start + 27 * SECOND - Duration::from_nanos(1)));
        assert!(ledger.is_due(start + 27 * SECOND));
    }

    #[test]
    fn a_stream_counts_while_it_moves_and_a_quarter_of_an_hour_longer() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        let stream = ledger.open(start);
        ledger.answered(stream, start + SECOND);
        ledger.moved(stream, start + 10 * MINUTE);
        assert_eq!(ledger.due(), Some(start + 25 * MINUTE));
        ledger.close(stream, start + 30 * MINUTE);
        assert_eq!(ledger.due(), Some(start + 30 * MINUTE + 15 * SECOND));
    }

    #[test]
    fn a_silent_stream_does_not_shorten_a_long_standby_time() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start, Rules { standby_after: 60 * MINUTE, silence: 15 * MINUTE });
        ledger.open(start + MINUTE);
        assert_eq!(ledger.due(), Some(start + 61 * MINUTE));
    }

    #[test]
    fn a_request_is_unanswered_until_its_head_came() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        let (first, second) = (ledger.open(start), ledger.open(start));
        assert_eq!(ledger.unanswered(), 2);
        ledger.answered(first, start);
        ledger.close(second, start);
        assert_eq!(ledger.unanswered(), 0);
    }

    #[test]
    fn what_cannot_be_seen_is_looked_at_again_later() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start, Rules { standby_after: Duration::ZERO, silence: MINUTE });
        assert!(ledger.is_due(start));
        ledger.look_again(start);
        assert_eq!(ledger.due(), Some(start + SECOND));
    }

    #[test]
    fn a_standby_time_without_end_is_never_due() {
        let start = Instant::now();
        let ledger = Ledger::new(start, Rules { standby_after: Duration::MAX, silence: MINUTE });
        assert_eq!(ledger.due(), None);
    }
}
