//! What sandboxes run by the clock, and when it ran.

use std::io;

use reveille::{History, Schedule, ScheduleExecution};

use super::{BAD, Format, Line, STRONG, Screen, Table};

impl Screen {
    /// What became of a schedule.
    pub(crate) fn schedule(&self, what: &str, schedule: &Schedule, history: &History) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.answer(schedule, history);
        }
        self.line(Line::new().styled(STRONG, &schedule.id).text(" ").text(what))
    }

    pub(crate) fn schedules(&self, schedules: &[Schedule]) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.json(&schedules);
        }
        if schedules.is_empty() {
            self.note("no schedules; make one: reveille schedule create box --cron '0 3 * * *' -- ./backup");
            return Ok(());
        }
        let mut table = Table::new(["ID", "IN", "WHEN", "COMMAND"]);
        for schedule in schedules {
            table.add([
                schedule.id.as_str().into(),
                schedule.sandbox.as_deref().unwrap_or_default().into(),
                schedule.value.as_str().into(),
                schedule.input.command.as_str().into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    pub(crate) fn executions(&self, executions: &[ScheduleExecution]) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.json(&executions);
        }
        if executions.is_empty() {
            self.note("nothing has run yet");
            return Ok(());
        }
        let mut table = Table::new(["AT", "SCHEDULE", "IN", "TAKEN", "PROCESS"]);
        for execution in executions {
            let taken: Line = match execution.status.as_str() {
                "failed" if execution.error.is_empty() => Line::new().styled(BAD, "no"),
                "failed" => Line::new().styled(BAD, "no: ").text(&execution.error),
                _ => "yes".into(),
            };
            table.add([
                execution.executed_at.as_str().into(),
                execution.schedule_id.as_str().into(),
                execution.sandbox.as_str().into(),
                taken,
                execution.process_name.as_str().into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }
}
