//! What a client wants a sandbox to be, checked.

use reveille_wire::{EnvVar, Sandbox, SandboxName};

use super::answer::Failure;

/// The longest external id.
const MAX_EXTERNAL_ID: usize = 64;

/// The name that a record asks for; one is made up where it asks for none.
pub(super) fn name_of(record: &Sandbox) -> Result<SandboxName, Failure> {
    let name = match &*record.metadata.name {
        "" => made_up(),
        name => name.to_owned(),
    };
    SandboxName::new(name).map_err(|error| Failure::bad_request(error.to_string()))
}

fn made_up() -> String {
    let letter = |_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[fastrand::usize(..36)]);
    let letters: String = (0..8).map(letter).collect();
    format!("sandbox-{letters}")
}

/// Refuses what cannot be.
pub(super) fn check(record: &Sandbox) -> Result<(), Failure> {
    if record.metadata.external_id.as_ref().is_some_and(|id| id.chars().count() > MAX_EXTERNAL_ID) {
        return Err(Failure::bad_request("metadata.externalId is longer than 64 characters"));
    }
    let envs = record.spec.runtime.iter().flat_map(|runtime| &runtime.envs);
    match envs.into_iter().find(|env| !can_be_set(env)) {
        Some(env) => Err(Failure::bad_request(format!(
            "{:?} cannot be an environment variable: the name must not be empty or hold =, and nothing may hold a NUL",
            env.name
        ))),
        None => Ok(()),
    }
}

fn can_be_set(env: &EnvVar) -> bool {
    !env.name.is_empty() && !env.name.contains(['=', '\0']) && !env.value.contains('\0')
}
