//! Carrying out what is due. A command is handed to its sandbox once at the most: what is written down first is that it
//! was begun, and one that is cut off then is not begun again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use reveille_wire::{Schedule, ScheduleExecution};
use serde_json::{Value, json};
use tokio::task::{self, JoinSet};

use super::record::{History, KEPT, KEPT_OF_ALL, Record};
use crate::agent::NotStarted;
use crate::clock;
use crate::control::answer::Failure;
use crate::control::state::Control;
use crate::sandbox::Patience;
use crate::store::Unwritten;

/// How long an agent may take to start it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of its answer is read, in bytes: a process that has just begun.
const ANSWER: usize = 256 << 10;
/// How many letters of an error are kept.
const ERROR: usize = 1000;
/// How long is waited before what could not be written down is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Runs until the host stops. What came while no host ran is carried out late where it comes once, and not at all where
/// it comes again.
pub(crate) async fn run(control: Arc<Control>) {
    give_up_begun(&control).await;
    let mut looked = control.started;
    let mut underway = Underway::default();
    loop {
        let now = control.clock.now();
        let mut soonest = None;
        for record in control.schedules.all() {
            let mut due = record.due(looked);
            if due.is_some_and(|at| at <= now) {
                due = if record.is_once() { None } else { record.due(now) };
                underway.carry_out(&control, record);
            }
            soonest = [soonest, due].into_iter().flatten().min();
        }
        looked = now;
        tokio::select! {
            () = control.clock.wait_until_due(soonest) => {}
            () = underway.one_ended() => {}
            () = control.schedules_changed.notified() => {}
            () = control.terms.stop.cancelled() => return,
        }
    }
}

/// What is being carried out.
#[derive(Default)]
struct Underway {
    tasks: JoinSet<()>,
    /// Those that come once, until they are taken away.
    once: HashMap<task::Id, String>,
}

impl Underway {
    fn carry_out(&mut self, control: &Arc<Control>, record: Arc<Record>) {
        let key = record.key();
        let is_once = record.is_once();
        if is_once && self.once.values().any(|other| *other == key) {
            return;
        }
        let task = self.tasks.spawn(carry_out(Arc::clone(control), record));
        if is_once {
            self.once.insert(task.id(), key);
        }
    }

    async fn one_ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        self.once.remove(&id);
    }
}

async fn carry_out(control: Arc<Control>, record: Arc<Record>) {
    let mut execution = begun(&record, control.clock.now());
    match begin(&control, &record, &execution).await {
        Ok(Begun::Yes) => {}
        Ok(Begun::ElseChanged) => return,
        Err(unwritten) => {
            let (sandbox, schedule) = (&record.sandbox, &record.schedule.id);
            tracing::warn!(sandbox, schedule, ?unwritten, "a schedule was due and could not be begun");
            return tokio::time::sleep(AGAIN).await;
        }
    }
    match submit(&control, &record).await {
        Ok((status, process)) => {
            execution.status_code = status.as_u16();
            if status.is_success() {
                execution.status = "succeeded".to_owned();
                execution.error = String::new();
            } else {
                execution.error = said(&process).unwrap_or_else(|| format!("the sandbox answered {status}"));
            }
            if let Some(name) = process["name"].as_str() {
                name.clone_into(&mut execution.process_name);
            }
        }
        Err(reason) => execution.error = reason,
    }
    let Ok((_turn, _)) = control.turn(&record.sandbox).await else { return };
    let kept = usize::try_from(record.schedule.max_executions.unwrap_or(KEPT)).unwrap_or(usize::MAX);
    if let Err(unwritten) = note(&control, &record.sandbox, |known| known.with(&execution, kept)).await {
        let (sandbox, schedule) = (&record.sandbox, &record.schedule.id);
        tracing::warn!(sandbox, schedule, ?unwritten, "what became of a schedule could not be written down");
    }
}

enum Begun {
    Yes,
    /// It was changed, or it is gone.
    ElseChanged,
}

/// Writes down that it is begun, and takes away what comes once.
async fn begin(
    control: &Control,
    record: &Record,
    execution: &ScheduleExecution,
) -> Result<Begun, Unwritten> {
    let sandbox = control.turn(&record.sandbox).await;
    let turn = control.schedules.turn(&record.key()).await;
    if turn.read().is_none_or(|now| *now != *record) {
        return Ok(Begun::ElseChanged);
    }
    if sandbox.is_err() {
        // It could not be removed with its sandbox.
        turn.remove().await?;
        return Ok(Begun::ElseChanged);
    }
    note(control, &record.sandbox, |known| known.beginning(execution.clone())).await?;
    if record.is_once() {
        turn.remove().await?;
    }
    Ok(Begun::Yes)
}

/// Changes what is known of a sandbox, within its turn.
async fn note(
    control: &Control,
    sandbox: &str,
    change: impl FnOnce(&History) -> History,
) -> Result<(), Unwritten> {
    let turn = control.executions.turn(sandbox).await;
    let before = turn.read().unwrap_or_default();
    turn.put(change(&before)).await
}

/// What an earlier host had begun: whether the sandbox took it is not known.
async fn give_up_begun(control: &Control) {
    for history in control.executions.all() {
        let Some(first) = history.begun.first() else { continue };
        let sandbox = &first.sandbox;
        let Ok((_turn, _)) = control.turn(sandbox).await else { continue };
        let given_up = |known: &History| {
            known.begun.iter().fold(known.clone(), |known, execution| known.with(execution, KEPT_OF_ALL))
        };
        if let Err(unwritten) = note(control, sandbox, given_up).await {
            tracing::warn!(sandbox, ?unwritten, "what an earlier host had begun could not be written down");
        }
    }
}

/// What is known of one that is begun: nothing good.
fn begun(record: &Record, now: SystemTime) -> ScheduleExecution {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut execution = ScheduleExecution::default();
    execution.id = format!("{:020}", since.as_micros());
    execution.schedule_id.clone_from(&record.schedule.id);
    execution.sandbox.clone_from(&record.sandbox);
    execution.status = "failed".to_owned();
    execution.error = "the host ended before the sandbox had answered".to_owned();
    execution.executed_at = clock::stamp(now);
    execution.process_name = record.schedule.input.name.clone().unwrap_or_default();
    execution.timeout = record.schedule.input.timeout.unwrap_or_default();
    execution
}

/// Wakes the sandbox and hands it the command; gives its answer, or why there is none.
async fn submit(control: &Control, record: &Record) -> Result<(StatusCode, Value), String> {
    let name = &record.sandbox;
    let resident = control.reach(name).map_err(|_| format!("there is no sandbox called {name}"))?;
    let lease = resident
        .admit(Patience::Wait, 0)
        .await
        .map_err(|refusal| Failure::not_woken(&refusal).message().to_owned())?;
    let answered = tokio::time::timeout(PATIENCE, async {
        let answer = lease.agent().submit(&process(&record.schedule)).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let said = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        Ok((status, said.unwrap_or_default()))
    });
    match answered.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            if matches!(error, NotStarted::Unreachable) {
                lease.lost();
            }
            Err(format!("sandbox {name}: {error}"))
        }
        Err(_) => Err(format!("sandbox {name}: the agent did not answer within {PATIENCE:?}")),
    }
}

/// The request for the process. Nothing of it waits for the command to end.
fn process(schedule: &Schedule) -> Value {
    let input = &schedule.input;
    let mut process = json!({
        "command": input.command,
        "timeout": input.timeout,
        "keepAlive": input.keep_alive,
    });
    let others = [
        ("name", input.name.as_ref().map(|name| json!(name))),
        ("workingDir", input.working_dir.as_ref().map(|place| json!(place))),
        ("env", input.env.as_ref().map(|env| json!(env))),
    ];
    for (key, value) in others {
        if let Some(value) = value {
            process[key] = value;
        }
    }
    process
}

/// The beginning of what it says is wrong.
fn said(answer: &Value) -> Option<String> {
    answer["error"].as_str().map(|error| error.chars().take(ERROR).collect())
}
