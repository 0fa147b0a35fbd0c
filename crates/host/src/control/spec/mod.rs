//! What a client wants a sandbox to be: checked, and filled with what the platform takes where nothing is said.

mod allowance;
mod attached;
mod expiry;
mod manner;
mod network;
mod routing;
mod span;

use std::collections::BTreeSet;

use reveille_wire::{Sandbox, SandboxName, SandboxRuntime, SandboxSpec};

use super::answer::Failure;
use crate::engine::Allowance;
use crate::image::Named;

pub(super) use allowance::allowance;
pub(crate) use allowance::{PROCESS_COUNTS, SMALLEST_DISK};
pub(super) use attached::{attachments, volumes};
pub(crate) use expiry::{Expiry, Life};
pub(super) use manner::manner;
pub(super) use network::network;
pub(super) use span::Span;

/// What a sandbox is made of where nobody says it.
const IMAGE: &str = "blaxel/base-image:latest";
/// Where it is said to run.
const REGION: &str = "us-pdx-1";
/// What its memory may be, in MB.
const MEMORIES: std::ops::RangeInclusive<u64> = 128..=1024 * 1024;

const MAX_EXTERNAL_ID: usize = 64;
const MAX_DISPLAY_NAME: usize = 63;
const MAX_LABELS: usize = 256;
const MAX_PORTS: usize = 100;
/// How long a variable may be with its name, in bytes, for a program to start with it (`MAX_ARG_STRLEN`).
const MAX_VARIABLE: usize = 128 * 1024;
const MAX_VOLUMES: usize = 32;
const MAX_POLICIES: usize = 16;

/// The variants of the platform's kernel that a client may ask for.
const EXTRA_ARGS: [&str; 6] = ["iptables", "nfs", "tun", "android", "landlock", "kernelExtensions"];

const STANDBY_GRACE: &str = "standbyGracePeriodSeconds";
const MAX_STANDBY_GRACE: u64 = 300;

/// Names that stand in a path where others have their sandbox.
const TAKEN_BY_ROUTES: [&str; 1] = ["by-external-id"];

/// The name that a client asks for; one is made up where it asks for none.
pub(super) fn name_of(draft: &Sandbox) -> Result<SandboxName, Failure> {
    let name = match &*draft.metadata.name {
        "" => format!("sandbox-{}", letters()),
        name => name.to_owned(),
    };
    let name = SandboxName::new(name).map_err(|error| Failure::bad_request(error.to_string()))?;
    if TAKEN_BY_ROUTES.contains(&name.as_str()) {
        return Err(Failure::bad_request(format!("a sandbox cannot be called {name}: a route is")));
    }
    Ok(name)
}

/// Eight letters and digits for a name that is made up.
pub(super) fn letters() -> String {
    let letter = |_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[fastrand::usize(..36)]);
    (0..8).map(letter).collect()
}

/// Fills in what nobody said.
pub(super) fn fill(spec: &mut SandboxSpec) {
    spec.enabled.get_or_insert(true);
    spec.region.get_or_insert_with(|| REGION.to_owned());
    let runtime = spec.runtime.get_or_insert_default();
    runtime.image.get_or_insert_with(|| IMAGE.to_owned());
    runtime.memory.get_or_insert(Allowance::MEMORY);
}

/// Whether it is to be served at all.
pub(super) fn is_enabled(spec: &SandboxSpec) -> bool {
    spec.enabled != Some(false)
}

/// Refuses what cannot be.
pub(super) fn check(draft: &Sandbox) -> Result<(), Failure> {
    identity(draft)?;
    if let Some(runtime) = &draft.spec.runtime {
        check_runtime(runtime)?;
    }
    let policies = draft.spec.lifecycle.iter().flat_map(|lifecycle| &lifecycle.expiration_policies);
    bounded("spec.lifecycle.expirationPolicies", policies.count(), MAX_POLICIES)?;
    one_of_a_kind(draft)?;
    bounded("spec.volumes", draft.spec.volumes.len(), MAX_VOLUMES)?;
    attachments(&draft.spec).map_err(Failure::bad_request)?;
    network(&draft.spec).map_err(Failure::bad_request)?;
    allowance(draft, Allowance::default()).map_err(Failure::bad_request)?;
    manner(draft).map_err(Failure::bad_request)?;
    Life::of(&draft.spec).map(drop).map_err(Failure::bad_request)
}

/// Refuses several policies of one type, as the platform does. Records of earlier hosts may hold them.
fn one_of_a_kind(draft: &Sandbox) -> Result<(), Failure> {
    let policies = draft.spec.lifecycle.iter().flat_map(|lifecycle| &lifecycle.expiration_policies);
    let mut seen = BTreeSet::new();
    for policy in policies {
        if !seen.insert(&policy.kind) {
            let message = format!("spec.lifecycle.expirationPolicies: {} is there twice", policy.kind);
            return Err(Failure::bad_request(message));
        }
    }
    Ok(())
}

fn identity(draft: &Sandbox) -> Result<(), Failure> {
    let metadata = &draft.metadata;
    if let Some(id) = &metadata.external_id
        && !is_external_id(id)
    {
        return Err(Failure::bad_request(format!(
            "metadata.externalId must be letters, digits and hyphens, 1 to {MAX_EXTERNAL_ID} of them"
        )));
    }
    if metadata.display_name.as_ref().is_some_and(|name| name.chars().count() > MAX_DISPLAY_NAME) {
        let message = format!("metadata.displayName is longer than {MAX_DISPLAY_NAME} characters");
        return Err(Failure::bad_request(message));
    }
    bounded("metadata.labels", metadata.labels.len(), MAX_LABELS)
}

/// Whether something can be a caller's own name for a resource.
pub(super) fn is_external_id(id: &str) -> bool {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && (1..=MAX_EXTERNAL_ID).contains(&id.len())
}

/// Refuses what cannot be the name of something that is found by it in a URL: where clients tidy URLs up, `..` is what it
/// belongs to.
pub(super) fn check_name(what: &str, name: &str, longest: usize) -> Result<(), Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.len() <= longest && name.bytes().all(plain) && !matches!(name, "." | "..") {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "{what} must be letters, digits, hyphens, underscores and dots, at most {longest} of them, and neither . nor .."
    )))
}

fn check_runtime(runtime: &SandboxRuntime) -> Result<(), Failure> {
    if let Some(memory) = runtime.memory
        && !MEMORIES.contains(&memory)
    {
        let (least, most) = (MEMORIES.start(), MEMORIES.end());
        let message = format!("spec.runtime.memory is {memory} MB: it must be from {least} to {most}");
        return Err(Failure::bad_request(message));
    }
    if let Some(image) = &runtime.image {
        Named::read(image).map_err(|error| Failure::bad_request(format!("spec.runtime.image: {error}")))?;
    }
    bounded("spec.runtime.ports", runtime.ports.len(), MAX_PORTS)?;
    if runtime.ports.iter().any(|port| port.target == 0) {
        return Err(Failure::bad_request("spec.runtime.ports: a port is a number from 1 to 65535"));
    }
    check_extra_args(runtime)?;
    check_grace(runtime)?;
    runtime.envs.iter().try_for_each(|env| check_variable(&env.name, &env.value))
}

fn check_extra_args(runtime: &SandboxRuntime) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::bad_request(format!("spec.runtime.extraArgs: {message}")));
    let arguments = match runtime.other.get("extraArgs") {
        None | Some(serde_json::Value::Null) => return Ok(()),
        Some(serde_json::Value::Object(arguments)) => arguments,
        Some(_) => return wrong("it must be an object".to_owned()),
    };
    for (name, value) in arguments {
        if !EXTRA_ARGS.contains(&&**name) {
            return wrong(format!("there is no {name:?}; there are {}", EXTRA_ARGS.join(", ")));
        }
        if !matches!(value.as_str(), Some("enabled" | "disabled")) {
            return wrong(format!("{name} must be \"enabled\" or \"disabled\""));
        }
    }
    let on = |name: &str| arguments.get(name).is_some_and(|value| value == "enabled");
    if on("nfs") && on("iptables") {
        return wrong("nfs and iptables are of different kernels: one of them at the most".to_owned());
    }
    Ok(())
}

/// The time that a sandbox has before it goes to standby, in seconds, as the platform bounds it.
fn check_grace(runtime: &SandboxRuntime) -> Result<(), Failure> {
    let wrong = || {
        let most = MAX_STANDBY_GRACE;
        Failure::bad_request(format!("spec.runtime.{STANDBY_GRACE} must be whole seconds from 0 to {most}"))
    };
    match runtime.other.get(STANDBY_GRACE) {
        None | Some(serde_json::Value::Null) => Ok(()),
        Some(grace) => grace.as_u64().filter(|grace| *grace <= MAX_STANDBY_GRACE).map(drop).ok_or_else(wrong),
    }
}

fn bounded(what: &str, count: usize, most: usize) -> Result<(), Failure> {
    if count <= most {
        return Ok(());
    }
    Err(Failure::bad_request(format!("{what} holds {count}: at most {most}")))
}

pub(super) fn check_variable(name: &str, value: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(Failure::bad_request(format!(
            "{name:?} cannot be an environment variable: the name must not be empty or hold =, and nothing may hold a NUL"
        )));
    }
    let length = name.len() + value.len() + "=\0".len();
    if length > MAX_VARIABLE {
        let message = format!(
            "{name:.40} cannot be an environment variable: with its value it is {length} bytes long, and no program of Linux \
             starts with one of more than {MAX_VARIABLE}"
        );
        return Err(Failure::bad_request(message));
    }
    Ok(())
}
