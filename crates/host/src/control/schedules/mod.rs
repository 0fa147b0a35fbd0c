//! Commands that sandboxes run by the clock, and what is remembered of them.

mod agenda;
mod cron;
mod firing;
mod record;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use reveille_wire::{Schedule, ScheduleExecution};
use serde::Deserialize;

use self::record::{KEPT, KEPT_OF_ALL, Timing, key};
use super::answer::Failure;
use super::asked::{self, Path, Query};
use super::paging::{Key, Paging};
use super::sandboxes::secrets::MASK;
use super::spec::{check_name, check_variable, letters};
use super::state::Control;
use crate::clock;
use crate::store::Unwritten;

pub(crate) use firing::run as carry_out_schedules;
pub(crate) use record::{History, Record};

/// The most schedules of one sandbox, as on the platform, the longest id and name of a process, and the largest schedule
/// as JSON, in bytes.
const MAX_SCHEDULES: usize = 100;
const MAX_ID: usize = 64;
const MAX_NAME: usize = 256;
const MAX_SIZE: usize = 64 << 10;
/// After how many seconds a process is ended that does not say.
const TIMEOUT: u32 = 600;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/schedules", get(list))
        .route("/schedule-executions", get(executions))
        .route("/sandboxes/{name}/schedules", get(list_of_one).post(create))
        .route("/sandboxes/{name}/schedules/{id}", get(get_one).put(update).delete(remove))
        .route("/sandboxes/{name}/schedule-executions", get(executions_of_one))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    q: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    sandbox: Option<String>,
    schedule: Option<String>,
    status: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    show_secrets: bool,
}

async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    let mut found = control.schedules.all();
    found.retain(|record| filter.wants(record));
    let key = |record: &Arc<Record>| Key {
        created: record.schedule.created_at.clone().unwrap_or_default(),
        name: record.key(),
    };
    let page = paging.page(&headers, found, key)?;
    Ok(page.answer(|record| async move { masked(&record.schedule) }))
}

async fn list_of_one(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Query(mut filter): Query<Filter>,
    paging: Query<Paging>,
) -> Result<Response, Failure> {
    control.find(&name)?;
    filter.sandbox = Some(name);
    list(State(control), headers, Query(filter), paging).await
}

async fn executions(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    let (since, until) = (time("since", &filter.since)?, time("until", &filter.until)?);
    let all = control.executions.all();
    let mut found: Vec<_> = all.iter().flat_map(|history| history.executions.clone()).collect();
    found.retain(|execution| filter.wants_execution(execution));
    found.retain(|execution| {
        let at = clock::read(&execution.executed_at);
        since.is_none_or(|since| at >= Some(since)) && until.is_none_or(|until| at < Some(until))
    });
    let key = |execution: &ScheduleExecution| Key {
        created: execution.executed_at.clone(),
        name: format!("{}/{}", key(&execution.sandbox, &execution.schedule_id), execution.id),
    };
    Ok(paging.page(&headers, found, key)?.answer(|execution| async move { execution }))
}

async fn executions_of_one(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Query(mut filter): Query<Filter>,
    paging: Query<Paging>,
) -> Result<Response, Failure> {
    control.find(&name)?;
    filter.sandbox = Some(name);
    executions(State(control), headers, Query(filter), paging).await
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path((name, id)): Path<(String, String)>,
    Query(shown): Query<Shown>,
) -> Result<Json<Schedule>, Failure> {
    let record = control.schedule(&name, &id)?;
    Ok(Json(if shown.show_secrets { record.schedule.clone() } else { masked(&record.schedule) }))
}

async fn create(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    asked::Json(draft): asked::Json<Schedule>,
) -> Result<Json<Schedule>, Failure> {
    // The sandbox's turn: it is not deleted meanwhile, and nobody else gives the same id.
    let (_turn, _) = control.turn(&name).await?;
    let now = control.clock.now();
    let mut schedule = complete(draft, now)?;
    if schedule.id.is_empty() {
        schedule.id = format!("schedule-{}", letters());
    }
    let id = &schedule.id;
    check_name("id", id, MAX_ID)?;
    if control.schedules.beginning(&key(&name, "")).len() >= MAX_SCHEDULES {
        return Err(Failure::conflict(format!("{name} has {MAX_SCHEDULES} schedules: delete one")));
    }
    let turn = control.schedules.turn(&key(&name, id)).await;
    if turn.read().is_some() {
        return Err(Failure::conflict(format!("{name} has a schedule called {id} already")));
    }
    if control.schedules.is_damaged(&key(&name, id)) {
        return Err(Failure::conflict(format!(
            "{name} has a schedule called {id}, and what is known of it cannot be read: it is left as it is"
        )));
    }
    schedule.sandbox = Some(name.clone());
    schedule.created_at = Some(clock::stamp(now));
    turn.put(Record::new(name, schedule.clone(), now)).await?;
    control.schedules_changed.notify_one();
    Ok(Json(masked(&schedule)))
}

async fn update(
    State(control): State<Arc<Control>>,
    Path((name, id)): Path<(String, String)>,
    asked::Json(draft): asked::Json<Schedule>,
) -> Result<Json<Schedule>, Failure> {
    let (_turn, _) = control.turn(&name).await?;
    let before = control.schedule(&name, &id)?;
    let now = control.clock.now();
    let mut schedule = complete(draft, now)?;
    schedule.id = id;
    schedule.sandbox = Some(name.clone());
    schedule.created_at.clone_from(&before.schedule.created_at);
    restore(&mut schedule, &before.schedule);
    let record = Record::new(name, schedule.clone(), now);
    control.schedules.turn(&record.key()).await.put(record).await?;
    control.schedules_changed.notify_one();
    Ok(Json(masked(&schedule)))
}

async fn remove(
    State(control): State<Arc<Control>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Schedule>, Failure> {
    let (_turn, _) = control.turn(&name).await?;
    let record = control.schedule(&name, &id)?;
    control.schedules.turn(&record.key()).await.remove().await?;
    Ok(Json(masked(&record.schedule)))
}

impl Control {
    fn schedule(&self, sandbox: &str, id: &str) -> Result<Arc<Record>, Failure> {
        self.find(sandbox)?;
        self.schedules.read(&key(sandbox, id)).ok_or_else(|| {
            Failure::coded_not_found("SCHEDULE_NOT_FOUND", format!("{sandbox} has no schedule called {id:?}"))
        })
    }

    /// Removes the schedules of a sandbox that is no more, and what is remembered of them. Within its turn.
    pub(super) async fn remove_schedules(&self, sandbox: &str) -> Result<(), Unwritten> {
        for record in self.schedules.beginning(&key(sandbox, "")) {
            self.schedules.turn(&record.key()).await.remove().await?;
        }
        if self.executions.read(sandbox).is_some() {
            self.executions.turn(sandbox).await.remove().await?;
        }
        Ok(())
    }
}

impl Filter {
    fn wants(&self, record: &Record) -> bool {
        let schedule = &record.schedule;
        is(self.sandbox.as_ref(), &record.sandbox)
            && is(self.kind.as_ref(), &schedule.kind)
            && self.holds(&[&schedule.id, &schedule.input.command])
    }

    fn wants_execution(&self, execution: &ScheduleExecution) -> bool {
        is(self.sandbox.as_ref(), &execution.sandbox)
            && is(self.schedule.as_ref(), &execution.schedule_id)
            && is(self.status.as_ref(), &execution.status)
            && self.holds(&[&execution.schedule_id, &execution.process_name])
    }

    fn holds(&self, texts: &[&str]) -> bool {
        let Some(q) = self.q.as_ref().map(|q| q.to_lowercase()) else { return true };
        texts.iter().any(|text| text.to_lowercase().contains(&q))
    }
}

fn is(wanted: Option<&String>, value: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.is_empty() || wanted == value)
}

fn time(what: &str, text: &Option<String>) -> Result<Option<SystemTime>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match clock::read(text) {
        Some(time) => Ok(Some(time)),
        None => Err(Failure::bad_request(format!("{what}: {text:?} is no time"))),
    }
}

/// Refuses what cannot be, and fills in what nobody said.
fn complete(mut schedule: Schedule, now: SystemTime) -> Result<Schedule, Failure> {
    let input = &mut schedule.input;
    if input.command.trim().is_empty() {
        return Err(Failure::bad_request("input.command is missing"));
    }
    if input.name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
        return Err(Failure::bad_request(format!("input.name is longer than {MAX_NAME} bytes")));
    }
    for (name, value) in input.env.iter().flatten() {
        check_variable(name, value)?;
    }
    let most = u32::try_from(KEPT_OF_ALL).unwrap_or(u32::MAX);
    if !(1..=most).contains(schedule.max_executions.get_or_insert(KEPT)) {
        return Err(Failure::bad_request(format!("maxExecutions must be from 1 to {most}")));
    }
    input.timeout.get_or_insert(TIMEOUT);
    input.keep_alive.get_or_insert(true);
    let timing = Timing::read(&schedule.kind, &schedule.value, now)
        .map_err(|wrong| Failure::bad_request(format!("value: {wrong}")))?;
    if let Timing::At(at) = timing {
        "at".clone_into(&mut schedule.kind);
        schedule.value = clock::stamp(at);
    }
    if serde_json::to_vec(&schedule).map_or(0, |json| json.len()) > MAX_SIZE {
        return Err(Failure::bad_request(format!("a schedule has at most {MAX_SIZE} bytes")));
    }
    Ok(schedule)
}

fn masked(schedule: &Schedule) -> Schedule {
    let mut shown = schedule.clone();
    for value in shown.input.env.iter_mut().flat_map(|env| env.values_mut()) {
        MASK.clone_into(value);
    }
    shown
}

/// Puts the values back that a client has only seen masked.
fn restore(schedule: &mut Schedule, before: &Schedule) {
    for (name, value) in schedule.input.env.iter_mut().flatten().filter(|(_, value)| *value == MASK) {
        if let Some(known) = before.input.env.as_ref().and_then(|env| env.get(name)) {
            value.clone_from(known);
        }
    }
}
