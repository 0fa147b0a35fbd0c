//! What is due, and when the next time comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::record::Record;

/// How far a clock may be set back before the times that come again are times to carry something out at: by less than
/// that a clock is set right, and what it shows twice has been looked at.
const SET_RIGHT: Duration = Duration::from_secs(3600);

/// When each schedule is due, as far as somebody has looked.
#[derive(Debug)]
pub(super) struct Agenda {
    /// Up to when everything that was due has been handed out.
    looked: SystemTime,
    /// By the place of its record in memory: a record never changes there.
    known: HashMap<usize, Item>,
}

#[derive(Debug)]
struct Item {
    /// Nobody else's record has its place while it is held.
    record: Arc<Record>,
    due: Option<SystemTime>,
}

/// What a look has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) due: Vec<Arc<Record>>,
    /// When something is due next.
    pub(super) soonest: Option<SystemTime>,
}

impl Agenda {
    /// Of what comes again, what was due up to then is nobody's to carry out.
    pub(super) fn since(looked: SystemTime) -> Self {
        Self { looked, known: HashMap::new() }
    }

    /// Looks through all schedules that there are. What comes once is due until it is there no more; what comes again,
    /// once for all the times that have come since the last look.
    pub(super) fn look(&mut self, all: Vec<Arc<Record>>, now: SystemTime) -> Found {
        if self.looked.duration_since(now).is_ok_and(|back| back >= SET_RIGHT) {
            self.looked = now;
            self.known.clear();
        }
        let mut found = Found { due: Vec::new(), soonest: None };
        let mut known = HashMap::with_capacity(all.len());
        for record in all {
            let place = Arc::as_ptr(&record).addr();
            let mut item = self.known.remove(&place).unwrap_or_else(|| {
                let due = record.due(self.looked, now);
                Item { record, due }
            });
            if item.due.is_some_and(|at| at <= now) {
                found.due.push(Arc::clone(&item.record));
                if !item.record.is_once() {
                    item.due = item.record.due(now, now);
                }
            }
            let next = item.due.filter(|at| *at > now);
            found.soonest = [found.soonest, next].into_iter().flatten().min();
            known.insert(place, item);
        }
        self.known = known;
        self.looked = self.looked.max(now);
        found
    }
}

#[cfg(test)]
mod tests {
    use reveille_wire::Schedule;

    use super::*;
    use crate::clock;

    fn at(text: &str) -> SystemTime {
        clock::read(&format!("2026-11-28T{text}Z")).unwrap()
    }

    fn record(kind: &str, value: &str, made: &str) -> Arc<Record> {
        let mut schedule = Schedule::default();
        kind.clone_into(&mut schedule.kind);
        value.clone_into(&mut schedule.value);
        Arc::new(Record::new("box".to_owned(), schedule, at(made)))
    }

    fn due(agenda: &mut Agenda, all: &[Arc<Record>], now: &str) -> usize {
        agenda.look(all.to_vec(), at(now)).due.len()
    }

    #[test]
    fn what_comes_again_is_due_once_at_each_time_and_once_for_all_that_were_missed() {
        let all = [record("cron", "* * * * *", "10:00:30")];
        let mut agenda = Agenda::since(at("10:00:00"));
        for (now, wanted) in [
            ("10:00:59", 0),
            ("10:01:00", 1),
            ("10:01:00.5", 0),
            ("10:02:00", 1),
            ("10:30:10", 1),
            ("10:30:59", 0),
        ] {
            assert_eq!(due(&mut agenda, &all, now), wanted, "{now}");
        }
        assert_eq!(agenda.look(all.to_vec(), at("10:30:59")).soonest, Some(at("10:31:00")));
    }

    #[test]
    fn what_comes_once_is_due_until_it_is_gone() {
        let all = [record("at", "2026-11-28T10:05:00Z", "10:00:00")];
        let mut agenda = Agenda::since(at("10:00:00"));
        assert_eq!(agenda.look(all.to_vec(), at("10:01:00")).soonest, Some(at("10:05:00")));
        assert_eq!(due(&mut agenda, &all, "10:05:00"), 1);
        assert_eq!(due(&mut agenda, &all, "10:05:01"), 1);
        assert_eq!(due(&mut agenda, &[], "10:05:02"), 0);
    }

    #[test]
    fn a_clock_that_is_set_right_brings_nothing_again() {
        let all = [record("cron", "* * * * *", "09:00:00")];
        let mut agenda = Agenda::since(at("10:00:00"));
        assert_eq!(due(&mut agenda, &all, "10:01:00"), 1);
        for back in ["10:00:59.999", "10:01:00", "09:30:00", "09:59:00", "10:01:59"] {
            assert_eq!(due(&mut agenda, &all, back), 0, "{back}");
        }
        assert_eq!(due(&mut agenda, &all, "10:02:00"), 1);
    }

    #[test]
    fn by_a_clock_that_was_hours_ahead_nothing_is_left_out_afterwards() {
        let before = record("cron", "* * * * *", "09:00:00");
        // It was made when the clock was ahead.
        let ahead = record("cron", "* * * * *", "20:00:30");
        let all = [before, ahead];
        let mut agenda = Agenda::since(at("20:00:00"));
        assert_eq!(due(&mut agenda, &all, "20:01:00"), 2);
        assert_eq!(due(&mut agenda, &all, "10:00:30"), 0);
        assert_eq!(due(&mut agenda, &all, "10:01:00"), 2);
    }

    #[test]
    fn what_was_changed_is_due_by_what_it_says_now() {
        let mut agenda = Agenda::since(at("10:00:00"));
        assert_eq!(due(&mut agenda, &[record("cron", "5 10 * * *", "10:00:00")], "10:04:00"), 0);
        let changed = [record("cron", "4 10 * * *", "10:04:30")];
        assert_eq!(due(&mut agenda, &changed, "10:05:30"), 0, "it was changed after that time");
        let changed = [record("cron", "6 10 * * *", "10:05:30")];
        assert_eq!(due(&mut agenda, &changed, "10:06:00"), 1);
    }
}
