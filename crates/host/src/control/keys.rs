//! Keys for others than whoever runs the host. The platform keeps its own elsewhere; the shape is ours.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Failure;
use super::asked::{self, Path};
use super::spec::{Span, check_name};
use super::state::Control;
use crate::auth::{Holder, Made, new_key};

/// The shortest life of a key.
const MOMENT: Duration = Duration::from_secs(1);
/// The longest name of a key.
const MAX_NAME: usize = 64;

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new().route("/keys", get(list).post(create)).route("/keys/{name}", delete(revoke))
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    name: String,
    /// How long it is good, if not for ever.
    expires_in: Option<String>,
}

async fn create(
    State(control): State<Arc<Control>>,
    Extension(holder): Extension<Holder>,
    asked::Json(wanted): asked::Json<Wanted>,
) -> Result<Json<Value>, Failure> {
    for_the_operator(holder)?;
    if wanted.name.is_empty() {
        return Err(Failure::bad_request("name is missing"));
    }
    check_name("name", &wanted.name, MAX_NAME)?;
    let span = wanted.expires_in.as_deref().map(|text| Span::read_at_least(text, MOMENT, "1s")).transpose();
    let span = span.map_err(Failure::bad_request)?;
    let now = control.clock.now();
    let expires = span.and_then(|span| now.checked_add(span.duration()));
    let keys = &control.keys.made;
    let turn = keys.turn(&wanted.name).await;
    let is_taken = turn.read().is_some_and(|made| !made.has_expired(now)) || keys.is_damaged(&wanted.name);
    if is_taken {
        return Err(Failure::conflict(format!(
            "there is a key called {} already: revoke it first",
            wanted.name
        )));
    }
    let key = new_key().map_err(|error| Failure::internal(error.to_string()))?;
    let made = Made::of(wanted.name, &key, now, expires);
    turn.put(made.clone()).await?;
    let mut shown = shown(&control, &made);
    shown["key"] = key.into();
    Ok(Json(shown))
}

async fn list(
    State(control): State<Arc<Control>>,
    Extension(holder): Extension<Holder>,
) -> Result<Json<Value>, Failure> {
    for_the_operator(holder)?;
    let keys: Vec<Value> = control.keys.made.all().iter().map(|made| shown(&control, made)).collect();
    Ok(Json(json!({ "data": keys })))
}

async fn revoke(
    State(control): State<Arc<Control>>,
    Extension(holder): Extension<Holder>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    for_the_operator(holder)?;
    let none = || Failure::coded_not_found("KEY_NOT_FOUND", format!("there is no key called {name:?}"));
    // Asked first, so that names that nobody has leave no trace.
    control.keys.made.read(&name).ok_or_else(none)?;
    let turn = control.keys.made.turn(&name).await;
    let made = turn.read().ok_or_else(none)?;
    turn.remove().await?;
    Ok(Json(shown(&control, &made)))
}

fn shown(control: &Control, made: &Made) -> Value {
    json!({
        "name": made.name,
        "hint": made.hint,
        "createdAt": made.created_at,
        "expiresAt": made.expires_at,
        "expired": made.has_expired(control.clock.now()),
    })
}

/// A key that got into the wrong hands must not be able to make itself others.
fn for_the_operator(holder: Holder) -> Result<(), Failure> {
    match holder {
        Holder::Operator => Ok(()),
        Holder::Guest => {
            let message = "keys are made and revoked with the host's own key only";
            Err(Failure::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))
        }
    }
}
