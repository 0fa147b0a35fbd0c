use std::sync::Arc;
use std::time::Duration;

use http::Method;
use reveille_wire::{Schedule, ScheduleExecution};

use super::storage::Records;
use super::{List, Sandbox};
use crate::call::{Call, Operation, like_a_call, segment};
use crate::core::Core;

/// The commands that a sandbox runs by the clock; it is woken for them.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let schedule = r#"{"id":"nightly","type":"cron","value":"0 3 * * *","input":{"command":"./backup"}}"#;
/// # let run = r#"{"id":"e1","scheduleId":"nightly","status":"succeeded","executedAt":"2026-12-01T03:00:00Z"}"#;
/// # let script = Script::new()
/// #     .on("GET", "/sandboxes/box/schedule-executions", Step::ok(format!(r#"{{"data":[{run}],"meta":{{}}}}"#)))
/// #     .on("GET", "/sandboxes/box/schedules?", Step::ok(format!("[{schedule}]")))
/// #     .on("*", "/", Step::ok(schedule));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// use std::time::Duration;
/// use reveille::When;
///
/// let schedules = client.sandbox("box").schedules();
/// schedules.create(When::cron("0 3 * * *"), "./backup").id("nightly").wait()?;
/// schedules.create(When::after(Duration::from_secs(1800)), "./clean-up").timeout(60).wait()?;
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// for run in schedules.executions().schedule("nightly").limit(10).await?.data {
///     println!("{} {} as {}", run.executed_at, run.status, run.process_name);
/// }
/// schedules.delete("nightly").await?;
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedules(Sandbox);

impl Schedules {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// A page of them, or all of them by [`List::pages`]. A read, which wakes nothing.
    pub fn list(&self) -> List<Schedule> {
        List::new(Call::json(self.0.core(), self.0.record_operation(Method::GET, "/schedules")))
    }

    /// One of them, with its variables masked. A read.
    pub fn get(&self, id: impl AsRef<str>) -> Call<Schedule> {
        Call::json(self.0.core(), self.of(Method::GET, id.as_ref()))
    }

    /// Has the shell of the sandbox run a command then. A mutation.
    pub fn create(&self, when: When, command: impl Into<String>) -> CreateSchedule {
        let operation = self.0.record_operation(Method::POST, "/schedules");
        let mut schedule = Schedule::default();
        (schedule.kind, schedule.value) = when.into_words();
        schedule.input.command = command.into();
        CreateSchedule { call: Call::json(self.0.core(), operation), schedule }
    }

    /// Makes one what its record says; variables that are masked keep their values. A mutation.
    pub fn update(&self, schedule: &Schedule) -> Call<Schedule> {
        Call::json(self.0.core(), self.of(Method::PUT, &schedule.id).json(schedule))
    }

    /// Deletes one; what it runs now goes on. A mutation.
    pub fn delete(&self, id: impl AsRef<str>) -> Call<Schedule> {
        Call::json(self.0.core(), self.of(Method::DELETE, id.as_ref()))
    }

    /// When commands were handed to the sandbox, and whether it took them. A read.
    pub fn executions(&self) -> List<ScheduleExecution> {
        List::new(Call::json(self.0.core(), self.0.record_operation(Method::GET, "/schedule-executions")))
    }

    fn of(&self, method: Method, id: &str) -> Operation {
        match segment("schedule", id) {
            Ok(id) => self.0.record_operation(method, &format!("/schedules/{id}")),
            Err(invalid) => Operation::invalid(method, invalid),
        }
    }
}

/// The schedules of all sandboxes of a workspace.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let server = FaultServer::start(Step::ok(r#"{"data":[],"meta":{"hasMore":false}}"#))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// for schedule in client.schedules().list().wait()?.data {
///     println!("{:?} runs {}", schedule.sandbox, schedule.input.command);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorkspaceSchedules {
    schedules: Records,
    executions: Records,
}

impl WorkspaceSchedules {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let executions = Records::new(Arc::clone(&core), "/schedule-executions");
        Self { schedules: Records::new(core, "/schedules"), executions }
    }

    /// A page of them, or all of them by [`List::pages`]. A read.
    pub fn list(&self) -> List<Schedule> {
        self.schedules.list()
    }

    /// When commands were handed to sandboxes, and whether they took them. A read.
    pub fn executions(&self) -> List<ScheduleExecution> {
        self.executions.list()
    }
}

/// When a schedule runs its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Cron(String),
    At(String),
    After(Duration),
}

impl When {
    /// Again and again, by the five fields of cron, in UTC: `*/15 * * * *`.
    #[must_use]
    pub fn cron(fields: impl Into<String>) -> Self {
        Self(Kind::Cron(fields.into()))
    }

    /// Once, at a time of RFC 3339.
    #[must_use]
    pub fn at(moment: impl Into<String>) -> Self {
        Self(Kind::At(moment.into()))
    }

    /// Once, so long from when the platform hears of it, in whole seconds, rounded up.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        Self(Kind::After(span))
    }

    /// The type and the value of the protocol.
    fn into_words(self) -> (String, String) {
        match self.0 {
            Kind::Cron(fields) => ("cron".to_owned(), fields),
            Kind::At(moment) => ("at".to_owned(), moment),
            Kind::After(span) => ("sleep".to_owned(), in_words(span)),
        }
    }
}

/// A span as the platform writes it, in the largest unit that says it whole.
fn in_words(span: Duration) -> String {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(length, _)| seconds > 0 && seconds % length == 0);
    let (length, unit) = whole.unwrap_or((1, 's'));
    format!("{}{unit}", seconds / length)
}

/// A schedule that is to be made; by [`Schedules::create`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct CreateSchedule {
    call: Call<Schedule>,
    schedule: Schedule,
}

impl CreateSchedule {
    /// What it is called within its sandbox; the platform's own choice when missing.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.schedule.id = id.into();
        self
    }

    /// What the process is called that runs the command.
    pub fn process_name(mut self, name: impl Into<String>) -> Self {
        self.schedule.input.name = Some(name.into());
        self
    }

    /// Where the command is run.
    pub fn working_dir(mut self, path: impl Into<String>) -> Self {
        self.schedule.input.working_dir = Some(path.into());
        self
    }

    /// A variable of the command; may be said again. The platform shows its value to nobody.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.schedule.input.env.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// After how many seconds the command is ended, 600 until told otherwise; 0 is never.
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.schedule.input.timeout = Some(seconds);
        self
    }

    /// The sandbox may go to standby while the command runs, and the command with it.
    pub fn may_sleep(mut self) -> Self {
        self.schedule.input.keep_alive = Some(false);
        self
    }

    /// How many executions are remembered, 100 until told otherwise.
    pub fn remembered(mut self, executions: u32) -> Self {
        self.schedule.max_executions = Some(executions);
        self
    }

    fn into_call(mut self) -> Call<Schedule> {
        self.call.operation = self.call.operation.json(&self.schedule);
        self.call
    }
}

like_a_call!(CreateSchedule => Schedule);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_whole_units() {
        for (seconds, words) in [
            (0, "0s"),
            (1, "1s"),
            (90, "90s"),
            (1800, "30m"),
            (7200, "2h"),
            (172_800, "2d"),
            (86_401, "86401s"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(in_words(Duration::from_millis(59_001)), "1m");
        assert_eq!(in_words(Duration::MAX), format!("{}s", u64::MAX));
    }
}
