//! Changing a sandbox: what a request does not name stays, what it names as null goes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use reveille_wire::{EnvVar, Sandbox, Status};
use serde_json::{Map, Value};

use super::super::answer::Failure;
use super::super::asked::{Json, Path};
use super::super::record::Record;
use super::super::spec;
use super::super::state::Control;
use super::secrets;
use super::start::{end, start};
use crate::engine::{EngineError, EngineErrorKind};
use crate::sandbox::Origin;
use crate::store::Turn;

/// What only the control plane says.
const OURS: [&str; 9] =
    ["name", "createdAt", "createdBy", "updatedAt", "updatedBy", "url", "workspace", "plan", "resourceName"];

pub(super) async fn update(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Json(asked): Json<Map<String, Value>>,
) -> Result<Response, Failure> {
    // Whoever asked may go away; an update that has begun is carried out.
    let updating = tokio::spawn({
        let control = Arc::clone(&control);
        async move { control.update(&name, asked).await }
    });
    let record = updating.await.map_err(|_| Failure::broken_off())??;
    Ok(control.shown(&record).await.into_response())
}

impl Control {
    async fn update(&self, name: &str, asked: Map<String, Value>) -> Result<Arc<Record>, Failure> {
        let (turn, before) = self.turn(name).await?;
        let mut next = Record::clone(&before);
        next.sandbox = merged(&before.sandbox, asked)?;
        next.sandbox.metadata.updated_at = Some(self.clock.stamp());
        spec::check(&next.sandbox)?;
        if let Some(what) = fixed(&next.sandbox, &before.sandbox) {
            return Err(Failure::bad_request(format!("{what} of a sandbox cannot change: create another")));
        }
        let is_enabled = spec::is_enabled(&next.sandbox.spec);
        let has_failed = before.status() == Status::Failed;
        match before.status() {
            // What could not be made anew is given another try by who switches it off and on.
            Status::Failed if !is_enabled => {}
            _ if before.is_live() => {}
            _ => return Err(Failure::conflict(format!("{name} has ended: create another"))),
        }
        // What has failed gave up what it had. Nobody takes it before the record says whose it is.
        let _volumes = if has_failed { self.claim(&next.sandbox.spec).await? } else { Vec::new() };
        let other_image = image(&next.sandbox) != image(&before.sandbox);
        let claimed =
            if other_image || has_failed { self.claim_image(&next.sandbox.spec).await? } else { None };
        if other_image || has_failed {
            next.image = claimed.as_ref().map(|claimed| claimed.pinned.clone());
        }
        let other_environment = environment(&next.sandbox) != environment(&before.sandbox);
        if !is_enabled {
            self.switch_off(&turn, &before, &next).await?;
        } else if before.is_off() || other_image || other_environment {
            self.make_anew(&turn, &before, &next).await?;
        } else {
            turn.put(next.clone()).await?;
            if let Err(failure) = self.apply(&before, &next).await {
                turn.put(Record::clone(&before)).await?;
                return Err(failure);
            }
        }
        self.expiries.notify_one();
        turn.read().ok_or_else(Failure::broken_off)
    }

    /// Lets a sandbox know at once of what may change while it runs.
    async fn apply(&self, before: &Record, next: &Record) -> Result<(), Failure> {
        let Ok(resident) = self.reach(&next.sandbox.metadata.name) else { return Ok(()) };
        let (allowance, allowed) = (self.allowance(next), self.allowance(before));
        if allowance != allowed {
            resident.change_allowance(allowance).await.map_err(|error| unchanged(&error))?;
        }
        let network = self.network(next);
        if network != self.network(before)
            && let Err(error) = resident.change_network(network).await
        {
            if let Err(error) = resident.change_allowance(allowed).await {
                tracing::warn!(sandbox = %resident.name(), %error, "it may not use what it might before");
            }
            return Err(unchanged(&error));
        }
        resident.set_manner(spec::manner(&next.sandbox).unwrap_or_default());
        Ok(())
    }

    /// Ends what runs and removes its files. What is known of it stays, and what is attached to it.
    async fn switch_off(&self, turn: &Turn<Record>, before: &Record, next: &Record) -> Result<(), Failure> {
        if before.status() == Status::Deactivated {
            return Ok(turn.put(next.clone()).await?);
        }
        let going = next.with_status(Status::Deactivating, self.clock.now(), "it is being switched off");
        turn.put(going).await?;
        if let Err(failure) = end(self, before).await {
            turn.put(before.clone()).await?;
            return Err(failure);
        }
        turn.put(next.with_status(Status::Deactivated, self.clock.now(), "it is switched off")).await?;
        Ok(())
    }

    /// Another environment or another image is another sandbox of the same name: as on the platform it starts with fresh
    /// files.
    async fn make_anew(&self, turn: &Turn<Record>, before: &Record, next: &Record) -> Result<(), Failure> {
        let next = next.with_status(Status::Deploying, self.clock.now(), "it is made anew");
        turn.put(next.clone()).await?;
        if let Err(failure) = end(self, before).await {
            turn.put(before.clone()).await?;
            return Err(failure);
        }
        let resident = self.register(&next, Origin::New)?;
        if let Err(failure) = start(&resident).await {
            let failed = next.with_status(Status::Failed, self.clock.now(), "it could not be made anew");
            end(self, &next).await?;
            turn.put(failed).await?;
            return Err(failure);
        }
        turn.put(next.with_status(Status::Deployed, self.clock.now(), "it is there")).await?;
        Ok(())
    }
}

fn unchanged(error: &EngineError) -> Failure {
    match error.kind() {
        EngineErrorKind::Unsupported => Failure::bad_request(error.to_string()),
        _ => Failure::internal(error.to_string()),
    }
}

/// The sandbox as it is to be.
fn merged(before: &Sandbox, mut asked: Map<String, Value>) -> Result<Sandbox, Failure> {
    let broken = |error: serde_json::Error| Failure::bad_request(format!("the body cannot be read: {error}"));
    let mut metadata = taken(&mut asked, "metadata")?;
    if let Some(name) = metadata.get("name").filter(|name| **name != Value::String(String::new()))
        && *name != before.metadata.name.as_str()
    {
        return Err(Failure::bad_request("a sandbox cannot be renamed"));
    }
    OURS.iter().for_each(|ours| drop(metadata.remove(*ours)));
    let mut spec = taken(&mut asked, "spec")?;
    let runtime = taken(&mut spec, "runtime")?;
    // Who puts the whole record back and leaves the network out of it clears it.
    if runtime.contains_key("image") && !spec.contains_key("network") {
        spec.insert("network".to_owned(), Value::Null);
    }
    let mut whole = serde_json::to_value(before).map_err(broken)?;
    lay_over(&mut whole["metadata"], metadata);
    lay_over(&mut whole["spec"], spec);
    lay_over(&mut whole["spec"]["runtime"], runtime);
    let mut sandbox: Sandbox = serde_json::from_value(whole).map_err(broken)?;
    secrets::restore(&mut sandbox, before);
    Ok(sandbox)
}

/// Takes a part of an object out of it, which may be missing.
fn taken(from: &mut Map<String, Value>, part: &str) -> Result<Map<String, Value>, Failure> {
    match from.remove(part) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Failure::bad_request(format!("the body cannot be read: {part} must be an object"))),
    }
}

fn lay_over(below: &mut Value, above: Map<String, Value>) {
    if below.is_null() {
        *below = Value::Object(Map::new());
    }
    let Value::Object(below) = below else { return };
    for (key, value) in above {
        match value {
            Value::Null => drop(below.remove(&key)),
            value => drop(below.insert(key, value)),
        }
    }
}

fn environment(sandbox: &Sandbox) -> &[EnvVar] {
    sandbox.spec.runtime.as_ref().map_or(&[], |runtime| &runtime.envs)
}

fn image(sandbox: &Sandbox) -> Option<&str> {
    sandbox.spec.runtime.as_ref().and_then(|runtime| runtime.image.as_deref())
}

/// What an update would change although it cannot.
fn fixed(next: &Sandbox, before: &Sandbox) -> Option<&'static str> {
    if next.spec.volumes != before.spec.volumes {
        return Some("what is attached");
    }
    let runtime = |it: &Sandbox| it.spec.runtime.clone().unwrap_or_default();
    let (next, before) = (runtime(next), runtime(before));
    (next.other.get("extraArgs") != before.other.get("extraArgs")).then_some("extraArgs")
}
