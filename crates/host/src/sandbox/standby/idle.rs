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
    answer: Option<Answer>,
}

/// What is known of an answer when its head comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its length is known: until that has come it is no answer.
    Whole,
    /// It can go on for ever, and stand still in between.
    Stream,
}

/// How long nothing may move on a stream before it is taken to pause.
const PAUSE: Duration = Duration::from_millis(250);

impl Ledger {
    pub(crate) fn new(now: Instant, rules: Rules) -> Self {
        Self { open: BTreeMap::new(), opened: 0, quiet_since: now, not_before: now, rules }
    }

    /// Changes after what time the sandbox is due.
    pub(crate) fn set_standby_after(&mut self, time: Duration) {
        self.rules.standby_after = time;
    }

    pub(crate) fn standby_after(&self) -> Duration {
        self.rules.standby_after
    }

    /// A request begins.
    pub(crate) fn open(&mut self, now: Instant) -> OpenId {
        self.opened += 1;
        let id = OpenId(self.opened);
        self.open.insert(id, Open { moved: now, answer: None });
        id
    }

    /// Something moved on it.
    pub(crate) fn moved(&mut self, id: OpenId, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            open.moved = now;
        }
    }

    /// The head of its answer came.
    pub(crate) fn answered(&mut self, id: OpenId, answer: Answer, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            *open = Open { moved: now, answer: Some(answer) };
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

    /// How many requests wait for their answer, or for the rest of one whose length is known.
    pub(crate) fn unanswered(&self) -> usize {
        self.open.values().filter(|open| open.answer != Some(Answer::Stream)).count()
    }

    /// Whether something open counts now: it waits for its answer, or moved not long ago.
    pub(crate) fn is_in_use(&self, now: Instant) -> bool {
        let counts = |open: &Open| open.moved.checked_add(self.rules.silence).is_none_or(|until| until > now);
        self.open.values().any(|open| open.answer.is_none() || counts(open))
    }

    /// When the streams that moved lately have paused, if nothing moves on them until then.
    pub(crate) fn settles(&self, now: Instant) -> Option<Instant> {
        let streams = self.open.values().filter(|open| open.answer == Some(Answer::Stream));
        streams.map(|open| open.moved + PAUSE).filter(|pauses| *pauses > now).max()
    }

    /// When the sandbox is due for standby if nothing moves until then; `None`: never.
    ///
    /// Who waits for the head of an answer keeps it awake however long that takes: a client that goes away ends
    /// its request.
    pub(crate) fn due(&self) -> Option<Instant> {
        let silence = self.rules.silence.max(self.rules.standby_after);
        let mut due = self.quiet_since.checked_add(self.rules.standby_after)?.max(self.not_before);
        for open in self.open.values() {
            open.answer?;
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
        ledger.answered(stream, Answer::Stream, start + SECOND);
        ledger.moved(stream, start + 10 * MINUTE);
        assert_eq!(ledger.due(), Some(start + 25 * MINUTE));
        ledger.close(stream, start + 30 * MINUTE);
        assert_eq!(ledger.due(), Some(start + 30 * MINUTE + 15 * SECOND));
    }

    #[test]
    fn what_is_open_is_a_use_for_as_long_as_it_counts() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        assert!(!ledger.is_in_use(start));
        let open = ledger.open(start);
        assert!(ledger.is_in_use(start + 10_000 * SECOND), "its answer is waited for");
        ledger.answered(open, Answer::Stream, start);
        assert!(ledger.is_in_use(start + 899 * SECOND) && !ledger.is_in_use(start + 900 * SECOND));
        ledger.moved(open, start + 900 * SECOND);
        assert!(ledger.is_in_use(start + 901 * SECOND));
        ledger.close(open, start + 901 * SECOND);
        assert!(!ledger.is_in_use(start + 901 * SECOND));
    }

    #[test]
    fn a_silent_stream_does_not_shorten_a_long_standby_time() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start, Rules { standby_after: 60 * MINUTE, silence: 15 * MINUTE });
        let stream = ledger.open(start + MINUTE);
        ledger.answered(stream, Answer::Stream, start + MINUTE);
        assert_eq!(ledger.due(), Some(start + 61 * MINUTE));
    }

    #[test]
    fn a_request_is_unanswered_until_its_stream_begins_or_its_answer_is_whole() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        let (stream, whole) = (ledger.open(start), ledger.open(start));
        assert_eq!(ledger.unanswered(), 2);
        ledger.answered(stream, Answer::Stream, start);
        ledger.answered(whole, Answer::Whole, start);
        assert_eq!(ledger.unanswered(), 1);
        ledger.close(whole, start);
        assert_eq!(ledger.unanswered(), 0);
    }

    #[test]
    fn who_waits_for_an_answer_keeps_it_awake_however_long_that_takes() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        let request = ledger.open(start);
        assert_eq!((ledger.due(), ledger.is_due(start + 24 * 60 * MINUTE)), (None, false));
        ledger.close(request, start + 60 * MINUTE);
        assert_eq!(ledger.due(), Some(start + 60 * MINUTE + 15 * SECOND));
    }

    #[test]
    fn a_stream_settles_a_moment_after_it_moved() {
        let start = Instant::now();
        let mut ledger = ledger(start);
        let stream = ledger.open(start);
        assert_eq!(ledger.settles(start), None, "it has not begun");
        ledger.answered(stream, Answer::Stream, start);
        assert_eq!(ledger.settles(start), Some(start + PAUSE));
        ledger.moved(stream, start + PAUSE);
        assert_eq!(ledger.settles(start + PAUSE), Some(start + 2 * PAUSE));
        assert_eq!(ledger.settles(start + 2 * PAUSE), None);
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
