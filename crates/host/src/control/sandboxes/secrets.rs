//! Values of secret variables, which are shown only to who asks for them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use reveille_wire::{EnvVar, Sandbox};

/// What is shown in a secret's place.
const MASK: &str = "********";

/// A record without the values of its secrets.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub(in crate::control) struct Hidden(Sandbox);

impl IntoResponse for Hidden {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

/// Hides the values of a record's secrets.
pub(in crate::control) fn hidden(mut record: Sandbox) -> Hidden {
    for env in secrets(&mut record) {
        MASK.clone_into(&mut env.value);
    }
    Hidden(record)
}

/// Puts the values back that a client has only seen hidden.
pub(super) fn restore(record: &mut Sandbox, before: &Sandbox) {
    let known = before.spec.runtime.iter().flat_map(|runtime| &runtime.envs);
    let known: Vec<&EnvVar> = known.filter(|env| env.secret == Some(true)).collect();
    for env in secrets(record).filter(|env| env.value == MASK) {
        if let Some(known) = known.iter().find(|known| known.name == env.name) {
            known.value.clone_into(&mut env.value);
        }
    }
}

fn secrets(record: &mut Sandbox) -> impl Iterator<Item = &mut EnvVar> {
    let envs = record.spec.runtime.iter_mut().flat_map(|runtime| &mut runtime.envs);
    envs.filter(|env| env.secret == Some(true))
}
