use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reveille_wire::{Sandbox, Status, header};
use serde::Deserialize;

use super::super::answer::{Failure, NotMade};
use super::super::asked::{Json, Query};
use super::super::record::Record;
use super::super::spec;
use super::super::state::Control;
use super::start::{end, start};
use crate::image::Pinned;
use crate::sandbox::Origin;
use crate::store::Turn;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Creation {
    #[serde(default)]
    create_if_not_exist: bool,
}

/// What becomes of a creation whose name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Refused,
    /// The one that has it is answered with.
    Reused,
}

/// What stands under a name.
enum Named {
    /// One that is reused.
    There(Arc<Record>),
    New(Turn<Record>, Box<Record>),
}

/// The longest deadline that a client can set for a creation, as on the platform.
const MAX_DEADLINE: Duration = Duration::from_secs(50);

pub(super) async fn create(
    State(control): State<Arc<Control>>,
    Query(creation): Query<Creation>,
    headers: HeaderMap,
    Json(draft): Json<Sandbox>,
) -> Result<Response, NotMade> {
    let asked_name = draft.metadata.name.clone();
    let made = control.make_as_asked(draft, &creation, &headers).await;
    let record = made
        .map_err(|failure| NotMade::new(failure, &asked_name, &control.workspace, control.clock.stamp()))?;
    Ok(control.shown(&record).await.into_response())
}

/// Until when it must be made, if the client says so.
fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get(&header::CREATION_TIMEOUT) else { return Ok(None) };
    let seconds = value.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    let deadline = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let deadline = deadline.filter(|deadline| !deadline.is_zero() && *deadline <= MAX_DEADLINE);
    deadline
        .map(Some)
        .ok_or_else(|| Failure::bad_request("X-Blaxel-Creation-Timeout must be whole seconds from 1 to 50"))
}

impl Control {
    async fn make_as_asked(
        self: &Arc<Self>,
        mut draft: Sandbox,
        creation: &Creation,
        headers: &HeaderMap,
    ) -> Result<Arc<Record>, Failure> {
        let name = spec::name_of(&draft)?;
        spec::check(&draft)?;
        let deadline = deadline(headers)?;
        name.as_str().clone_into(&mut draft.metadata.name);
        let taken = if creation.create_if_not_exist { Taken::Reused } else { Taken::Refused };
        // Whoever asked may go away; a creation that has begun is carried out.
        let control = Arc::clone(self);
        let making = tokio::spawn(async move { control.create(draft, taken, deadline).await });
        making.await.map_err(|_| Failure::broken_off())?
    }

    async fn create(
        self: Arc<Self>,
        draft: Sandbox,
        taken: Taken,
        deadline: Option<Duration>,
    ) -> Result<Arc<Record>, Failure> {
        let (turn, mut record) = match self.take_name(draft, taken).await? {
            Named::There(record) => return Ok(record),
            Named::New(turn, record) => (turn, *record),
        };
        let volumes = self.claim(&record.sandbox.spec).await?;
        let image = self.claim_image(&record.sandbox.spec).await?;
        record.image = image.as_ref().map(|claimed| claimed.pinned.clone());
        if !spec::is_enabled(&record.sandbox.spec) {
            let off = record.with_status(Status::Deactivated, self.clock.now(), "it is switched off");
            turn.put(off).await?;
            self.expiries.notify_one();
            return turn.read().ok_or_else(Failure::broken_off);
        }
        turn.put(record.clone()).await?;
        // From here on the record says whose they are.
        drop((volumes, image));
        self.make(turn, record, deadline).await
    }

    /// Makes a sandbox that starts with the files that `copy` brings, over those of `image`.
    pub(in crate::control) async fn create_with(
        self: Arc<Self>,
        draft: Sandbox,
        image: Option<Pinned>,
        copy: impl Future<Output = Result<(), Failure>> + Send,
    ) -> Result<Arc<Record>, Failure> {
        let (turn, mut record) = match self.take_name(draft, Taken::Refused).await? {
            Named::There(record) => return Ok(record),
            Named::New(turn, record) => (turn, record.while_copying()),
        };
        record.image = image;
        turn.put(record.clone()).await?;
        if let Err(failure) = copy.await {
            take_back(&self, &turn, &record).await;
            return Err(failure);
        }
        self.make(turn, record, None).await
    }

    async fn take_name(&self, draft: Sandbox, taken: Taken) -> Result<Named, Failure> {
        let name = draft.metadata.name.clone();
        if self.records.is_damaged(&name) {
            return Err(exists(format!("{name} has a record that cannot be read: choose another name")));
        }
        // Those who make, change or delete it now are waited for.
        let turn = self.records.turn(&name).await;
        if let Some(before) = turn.read() {
            match taken {
                Taken::Reused if before.is_live() => return Ok(Named::There(before)),
                Taken::Refused if before.is_live() => {
                    return Err(exists(format!("there is a sandbox called {name} already")));
                }
                _ => {}
            }
            // Of one that has failed or ended something may be left.
            end(self, &before).await?;
            self.remove_belongings(&name).await?;
        }
        self.room()?;
        Ok(Named::New(turn, Box::new(self.new_record(draft))))
    }

    /// The record of a new sandbox.
    fn new_record(&self, mut sandbox: Sandbox) -> Record {
        let now = self.clock.stamp();
        spec::fill(&mut sandbox.spec);
        sandbox.metadata.created_at = Some(now.clone());
        sandbox.metadata.updated_at = Some(now);
        sandbox.metadata.created_by = None;
        sandbox.state = None;
        sandbox.last_used_at = None;
        sandbox.expires_in = None;
        sandbox.events.clear();
        Record::new(sandbox, None).with_status(Status::Deploying, self.clock.now(), "it is being made")
    }

    /// Starts what a record describes; what cannot be started, or not in time, is taken away again.
    async fn make(
        self: Arc<Self>,
        turn: Turn<Record>,
        record: Record,
        deadline: Option<Duration>,
    ) -> Result<Arc<Record>, Failure> {
        let name = &record.sandbox.metadata.name;
        let made = async {
            start(&self.register(&record, Origin::New)?).await?;
            turn.put(record.with_status(Status::Deployed, self.clock.now(), "it is there")).await?;
            Ok(())
        };
        let made = match deadline {
            None => Some(made.await),
            Some(deadline) => tokio::time::timeout(deadline, made).await.ok(),
        };
        match (made, deadline) {
            (Some(Ok(())), _) => {}
            (Some(Err(failure)), _) => {
                take_back(&self, &turn, &record).await;
                return Err(failure);
            }
            (None, deadline) => {
                let failure = too_late(name, deadline.unwrap_or_default());
                // The answer does not wait for what may hang; who wants the name next does.
                tokio::spawn(async move { take_back(&self, &turn, &record).await });
                return Err(failure);
            }
        }
        self.expiries.notify_one();
        turn.read().ok_or_else(Failure::broken_off)
    }
}

async fn take_back(control: &Control, turn: &Turn<Record>, record: &Record) {
    let name = &record.sandbox.metadata.name;
    let deleting = record.with_status(Status::Deleting, control.clock.now(), "it is taken back");
    if let Err(unwritten) = turn.mark(deleting).await {
        tracing::warn!(sandbox = name, ?unwritten, "that it is taken back could not be written down");
    }
    if let Err(failure) = end(control, record).await {
        tracing::warn!(sandbox = name, ?failure, "what is left of it could not be removed");
        // A request would make it anew. Who takes the name next ends it, or the next host.
        if let Ok(resident) = control.reach(name) {
            resident.disown();
            control.registry.forget(&resident);
        }
        return;
    }
    if let Err(unwritten) = turn.remove().await {
        tracing::warn!(sandbox = name, ?unwritten, "its record could not be removed");
    }
}

fn exists(message: String) -> Failure {
    Failure::exists("SANDBOX_ALREADY_EXISTS", message)
}

fn too_late(name: &str, deadline: Duration) -> Failure {
    let message = format!("{name} was not there after {} s: it was taken back", deadline.as_secs());
    Failure::new(StatusCode::REQUEST_TIMEOUT, "CREATION_TIMEOUT", message)
}
