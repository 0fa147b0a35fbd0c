//! What the store keeps of schedules, and of the times that they were carried out.

use std::time::SystemTime;

use reveille_wire::{Schedule, ScheduleExecution};
use serde::{Deserialize, Serialize};

use super::super::spec::Span;
use super::cron::Cron;
use crate::clock;
use crate::store::Document;

/// How many executions of one schedule are remembered that does not say, and at the most.
pub(super) const KEPT: u32 = 100;
/// How many are remembered of one sandbox.
pub(super) const KEPT_OF_ALL: usize = 1000;

/// A schedule, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(super) sandbox: String,
    pub(super) schedule: Schedule,
    /// Since when it is as it is.
    changed: String,
}

/// What was carried out in a sandbox, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub(super) executions: Vec<ScheduleExecution>,
    /// Those of which it is not known yet what became of them.
    #[serde(default)]
    pub(super) begun: Vec<ScheduleExecution>,
}

/// When something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timing {
    At(SystemTime),
    Again(Cron),
}

impl Document for Record {
    const KIND: &'static str = "schedule";
}

impl Document for History {
    const KIND: &'static str = "executions";
}

impl Record {
    pub(super) fn new(sandbox: String, schedule: Schedule, now: SystemTime) -> Self {
        Self { sandbox, schedule, changed: clock::stamp(now) }
    }

    /// Where it stands in the store.
    pub(super) fn key(&self) -> String {
        key(&self.sandbox, &self.schedule.id)
    }

    /// When it is due, seen from a time at which somebody has looked.
    pub(super) fn due(&self, looked: SystemTime, now: SystemTime) -> Option<SystemTime> {
        // What cannot be understood was refused when it came.
        match Timing::of(&self.schedule)? {
            Timing::At(at) => Some(at),
            Timing::Again(cron) => {
                // By a clock that was ahead it was changed in the future.
                let changed = clock::read(&self.changed).filter(|changed| *changed <= now);
                cron.next_after(changed.map_or(looked, |changed| looked.max(changed)))
            }
        }
    }

    /// Whether an execution was cut off before anything was handed over: what comes once is taken away before, and is
    /// here.
    pub(super) fn is_untouched_by(&self, execution: &ScheduleExecution) -> bool {
        let is_of_it = (&self.sandbox, &self.schedule.id) == (&execution.sandbox, &execution.schedule_id);
        is_of_it && self.is_once() && self.changed <= execution.executed_at
    }

    /// Whether it is over once it was carried out.
    pub(super) fn is_once(&self) -> bool {
        matches!(Timing::of(&self.schedule), Some(Timing::At(_)))
    }
}

pub(super) fn key(sandbox: &str, id: &str) -> String {
    format!("{sandbox}/{id}")
}

impl History {
    /// The same with an execution that is begun.
    pub(super) fn beginning(&self, execution: ScheduleExecution) -> Self {
        let mut next = self.clone();
        next.begun.push(execution);
        next
    }

    /// The same without some that are begun.
    pub(super) fn without(&self, gone: impl Fn(&ScheduleExecution) -> bool) -> Self {
        let mut next = self.clone();
        next.begun.retain(|execution| !gone(execution));
        next
    }

    /// Whether an execution is one of those that are begun.
    pub(super) fn has_begun(&self, execution: &ScheduleExecution) -> bool {
        self.begun.iter().any(|other| is_same(other, execution))
    }

    /// The same where it is known what became of an execution.
    pub(super) fn with(&self, execution: &ScheduleExecution, kept: usize) -> Self {
        let Self { mut executions, mut begun } = self.clone();
        begun.retain(|other| !is_same(other, execution));
        let is_of_it = |other: &ScheduleExecution| other.schedule_id == execution.schedule_id;
        executions.push(execution.clone());
        let mut too_many = executions.iter().filter(|other| is_of_it(other)).count().saturating_sub(kept);
        executions.retain(|other| {
            let goes = too_many > 0 && is_of_it(other);
            too_many -= usize::from(goes);
            !goes
        });
        executions.drain(..executions.len().saturating_sub(KEPT_OF_ALL));
        Self { executions, begun }
    }
}

fn is_same(one: &ScheduleExecution, other: &ScheduleExecution) -> bool {
    (&one.schedule_id, &one.id) == (&other.schedule_id, &other.id)
}

impl Timing {
    fn of(schedule: &Schedule) -> Option<Self> {
        match &*schedule.kind {
            "at" => clock::read(&schedule.value).map(Self::At),
            "cron" => Cron::read(&schedule.value).ok().map(Self::Again),
            _ => None,
        }
    }

    /// Reads what a client says, or says what is wrong with it.
    pub(super) fn read(kind: &str, value: &str, now: SystemTime) -> Result<Self, String> {
        match kind {
            "at" => match clock::read(value) {
                Some(at) if at > now => Ok(Self::At(at)),
                _ => Err(format!("{value:?} is no time in the future")),
            },
            "sleep" => {
                let span = Span::read(value)?.duration();
                now.checked_add(span).map(Self::At).ok_or_else(|| format!("{value:?} is too long"))
            }
            "cron" => {
                let cron = Cron::read(value)?;
                match cron.next_after(now) {
                    Some(_) => Ok(Self::Again(cron)),
                    None => Err(format!("{value:?} never comes")),
                }
            }
            _ => Err(format!("{kind:?} is no type of schedule: it is cron, at or sleep")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(schedule: &str, id: usize) -> ScheduleExecution {
        let mut execution = ScheduleExecution::default();
        execution.schedule_id = schedule.to_owned();
        execution.id = id.to_string();
        execution
    }

    #[test]
    fn the_oldest_executions_of_a_schedule_are_forgotten_and_none_of_another() {
        let mut history = History::default();
        for id in 0..5 {
            history = history.with(&execution("a", id), 3).with(&execution("b", id), 2);
        }
        let told: Vec<_> = history.executions.iter().map(|it| (&*it.schedule_id, &*it.id)).collect();
        assert_eq!(told, [("a", "2"), ("a", "3"), ("b", "3"), ("a", "4"), ("b", "4")]);
        for id in 0..2 * KEPT_OF_ALL {
            history = history.with(&execution(&id.to_string(), id), 1);
        }
        assert_eq!(history.executions.len(), KEPT_OF_ALL);
    }

    #[test]
    fn what_comes_once_and_is_there_still_was_not_handed_over() {
        let made = clock::read("2026-11-28T10:00:00Z").unwrap();
        let record = |kind: &str, value: &str| {
            let mut schedule = Schedule::default();
            "a".clone_into(&mut schedule.id);
            kind.clone_into(&mut schedule.kind);
            value.clone_into(&mut schedule.value);
            Record::new("box".to_owned(), schedule, made)
        };
        let begun = |id: &str, at: &str| {
            let mut begun = execution(id, 1);
            "box".clone_into(&mut begun.sandbox);
            begun.executed_at = clock::stamp(clock::read(at).unwrap());
            begun
        };
        let once = record("at", "2026-11-28T10:05:00Z");
        assert!(once.is_untouched_by(&begun("a", "2026-11-28T10:05:00Z")));
        assert!(!once.is_untouched_by(&begun("b", "2026-11-28T10:05:00Z")));
        assert!(!once.is_untouched_by(&begun("a", "2026-11-28T09:00:00Z")), "of one that had its id before");
        assert!(!record("cron", "5 10 * * *").is_untouched_by(&begun("a", "2026-11-28T10:05:00Z")));
    }

    #[test]
    fn what_is_begun_is_one_execution_with_what_became_of_it() {
        let history = History::default().beginning(execution("a", 1)).beginning(execution("b", 1));
        assert!(history.executions.is_empty());
        assert!(history.has_begun(&execution("a", 1)) && !history.has_begun(&execution("a", 2)));
        let history = history.with(&execution("a", 1), 3);
        assert_eq!((history.executions.len(), &*history.begun[0].schedule_id), (1, "b"));
        assert!(history.without(|execution| execution.schedule_id == "b").begun.is_empty());
    }
}
