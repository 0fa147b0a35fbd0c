//! Carrying out what is due. A command is handed to its sandbox once at the most: what is written down first is that it
//! was begun, and one that is cut off then is not begun again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use reveille_wire::{Schedule, ScheduleExecution};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{self, JoinError, JoinSet};

use super::agenda::{Agenda, Found};
use super::record::{History, KEPT, KEPT_OF_ALL, Record, key};
use crate::agent::NotStarted;
use crate::clock;
use crate::control::answer::Failure;
use crate::control::state::Control;
use crate::sandbox::{Patience, Resident};
use crate::store::Unwritten;

/// How long an agent may take to start it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of its answer is read, in bytes: a process that has just begun.
const ANSWER: usize = 256 << 10;
/// How many letters of an error are kept.
const ERROR: usize = 1000;
/// How long is waited before what could not be written down is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How many are carried out at a time.
const AT_A_TIME: usize = 256;

/// Runs until the host stops. What came while no host ran is carried out late where it comes once, and not at all where
/// it comes again.
pub(crate) async fn run(control: Arc<Control>) {
    tokio::select! {
        () = give_up_begun(&control) => {}
        () = control.terms.stop.cancelled() => return,
    }
    let mut agenda = Agenda::since(control.started);
    let mut underway = Underway::default();
    loop {
        let Found { due, soonest } = agenda.look(control.schedules.all(), control.clock.now());
        let left = underway.let_go_of_ended();
        left.into_iter().chain(due).for_each(|record| underway.carry_out(&control, record));
        tokio::select! {
            () = control.clock.wait_until_due(soonest) => {}
            () = underway.one_is_due_still(&control) => {}
            () = control.schedules_changed.notified() => {}
            () = control.terms.stop.cancelled() => break,
        }
    }
    underway.end(control.terms.limits.drain).await;
}

/// What is being carried out.
struct Underway {
    tasks: JoinSet<()>,
    keys: HashMap<task::Id, String>,
    /// The same keys. What comes again while it is being carried out is carried out once after that, and not beside it.
    taken: HashMap<String, Option<Arc<Record>>>,
    /// What came again while those that have ended were carried out.
    left: Vec<Arc<Record>>,
    /// Leave to begin: so many at a time, that the requests of others find room.
    room: Arc<Semaphore>,
}

impl Default for Underway {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        let (keys, taken) = (HashMap::new(), HashMap::new());
        Self { tasks: JoinSet::new(), keys, taken, left: Vec::new(), room }
    }
}

impl Underway {
    fn carry_out(&mut self, control: &Arc<Control>, record: Arc<Record>) {
        let key = record.key();
        if let Some(next) = self.taken.get_mut(&key) {
            // What comes once is looked for when this has ended.
            *next = Some(record).filter(|record| !record.is_once());
            return;
        }
        self.taken.insert(key.clone(), None);
        let (control, room) = (Arc::clone(control), Arc::clone(&self.room));
        let task = self.tasks.spawn(async move {
            // Nothing is begun any more once the host stops.
            let Ok(_leave) = room.acquire().await else { return };
            carry_out(control, record).await;
        });
        self.keys.insert(task.id(), key);
    }

    /// Gives what came again meanwhile.
    fn let_go_of_ended(&mut self) -> Vec<Arc<Record>> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.let_go_of(&ended);
        }
        std::mem::take(&mut self.left)
    }

    fn let_go_of(&mut self, ended: &Result<(task::Id, ()), JoinError>) -> Option<String> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let key = self.keys.remove(&id)?;
        self.left.extend(self.taken.remove(&key).flatten());
        Some(key)
    }

    /// Waits until one has ended that came again meanwhile, or that is there still where it comes once: it could not be
    /// begun, or is another by now.
    async fn one_is_due_still(&mut self, control: &Control) {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                return std::future::pending().await;
            };
            let record = self.let_go_of(&ended).and_then(|key| control.schedules.read(&key));
            if !self.left.is_empty() || record.is_some_and(|record| record.is_once()) {
                return;
            }
        }
    }

    /// Lets those that are begun come to their end, where they do within this time.
    async fn end(mut self, within: Duration) {
        self.room.close();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What is cut off is told by the next host.
        let _ = tokio::time::timeout(within, all).await;
    }
}

async fn carry_out(control: Arc<Control>, record: Arc<Record>) {
    let mut execution = begun(&record, control.clock.now());
    let resident = match begin(&control, &record, &execution).await {
        Ok(Begun::Yes(resident)) => resident,
        Ok(Begun::ElseChanged) => return,
        Err(unwritten) => {
            let (sandbox, schedule) = (&record.sandbox, &record.schedule.id);
            tracing::warn!(sandbox, schedule, ?unwritten, "a schedule was due and could not be begun");
            return pause(&control).await;
        }
    };
    match submit(resident, &record).await {
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
    let kept = usize::try_from(record.schedule.max_executions.unwrap_or(KEPT)).unwrap_or(usize::MAX);
    while let Err(unwritten) = tell(&control, &record.sandbox, &execution, kept).await {
        let (sandbox, schedule) = (&record.sandbox, &record.schedule.id);
        tracing::warn!(
            sandbox,
            schedule,
            ?unwritten,
            "what became of a schedule could not be written down yet"
        );
        if control.terms.stop.is_cancelled() {
            return;
        }
        pause(&control).await;
    }
}

/// Waits before something is tried again, or until the host stops.
async fn pause(control: &Control) {
    tokio::select! {
        () = tokio::time::sleep(AGAIN) => {}
        () = control.terms.stop.cancelled() => {}
    }
}

enum Begun {
    /// In this sandbox, where it can be reached, and in none that takes its name later.
    Yes(Option<Arc<Resident>>),
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
    // One that was begun before was cut off before this one was taken away.
    let untouched = |execution: &ScheduleExecution| record.is_untouched_by(execution);
    note(control, &record.sandbox, |known| known.without(untouched).beginning(execution.clone())).await?;
    if record.is_once() {
        turn.remove().await?;
    }
    Ok(Begun::Yes(control.reach(&record.sandbox).ok()))
}

/// Writes down what became of it, where its sandbox is there still, and not another that has its name.
async fn tell(
    control: &Control,
    sandbox: &str,
    execution: &ScheduleExecution,
    kept: usize,
) -> Result<(), Unwritten> {
    let Ok((_turn, _)) = control.turn(sandbox).await else { return Ok(()) };
    let known = control.executions.read(sandbox);
    if !known.is_some_and(|known| known.has_begun(execution)) {
        return Ok(());
    }
    note(control, sandbox, |known| known.with(execution, kept)).await
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

/// What an earlier host had begun: whether the sandbox took it is not known, unless it is there to be begun still.
async fn give_up_begun(control: &Control) {
    for history in control.executions.all() {
        let Some(first) = history.begun.first() else { continue };
        let sandbox = &first.sandbox;
        let Ok((_turn, _)) = control.turn(sandbox).await else { continue };
        let untouched = |execution: &ScheduleExecution| {
            let record = control.schedules.read(&key(&execution.sandbox, &execution.schedule_id));
            record.is_some_and(|record| record.is_untouched_by(execution))
        };
        let given_up = |known: &History| {
            let known = known.without(untouched);
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
async fn submit(resident: Option<Arc<Resident>>, record: &Record) -> Result<(StatusCode, Value), String> {
    let name = &record.sandbox;
    let resident = resident.ok_or_else(|| format!("there is no sandbox called {name}"))?;
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
