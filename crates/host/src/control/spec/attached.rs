//! What is attached to a sandbox: volumes, and empty places that go with it.

use std::collections::HashSet;

use reveille_wire::{DriveName, MountPath, SandboxSpec, VolumeAttachment};
use serde_json::Value;

use crate::engine::{Access, Attached, Attachment};

/// How large an empty place may be, in MB. Where there is no disk for it, it is kept in memory.
const MAX_SCRATCH: u64 = 1024 * 1024;

/// What is to be attached, in the order in which it is named.
///
/// # Errors
/// A sentence about the first thing that cannot be.
pub(in crate::control) fn attachments(spec: &SandboxSpec) -> Result<Vec<Attachment>, String> {
    let attachments: Vec<_> = spec.volumes.iter().map(attachment).collect::<Result<_, _>>()?;
    let mut places = HashSet::new();
    if let Some(twice) = attachments.iter().find(|it| !places.insert(it.path.as_str())) {
        return Err(format!("spec.volumes: two are mounted at {}", twice.path));
    }
    let mut seen = HashSet::new();
    match volumes(spec).find(|name| !seen.insert(*name)) {
        Some(name) => Err(format!("spec.volumes: {name} is attached twice")),
        None => Ok(attachments),
    }
}

/// The names of the volumes among what is attached.
pub(in crate::control) fn volumes(spec: &SandboxSpec) -> impl Iterator<Item = &str> {
    spec.volumes.iter().filter(|volume| !is_ephemeral(volume)).map(|volume| volume.name.as_str())
}

fn attachment(volume: &VolumeAttachment) -> Result<Attachment, String> {
    let path = MountPath::new(&volume.mount_path).map_err(|error| format!("spec.volumes: {error}"))?;
    if !volume.mount_path.starts_with('/') {
        return Err(format!("spec.volumes: {:?} is no absolute path", volume.mount_path));
    }
    if let Some(reserved) = path.reserved() {
        return Err(format!(
            "spec.volumes: nothing can be mounted at {path}: a sandbox needs its {reserved}"
        ));
    }
    match volume.other.get("type").and_then(Value::as_str) {
        None | Some("persistent") => {}
        Some("ephemeral") => return Ok(Attachment { path, what: scratch(volume)? }),
        Some(other) => return Err(format!("spec.volumes: type is persistent or ephemeral, not {other:?}")),
    }
    let name =
        DriveName::new(&*volume.name).map_err(|_| format!("spec.volumes: {:?} is no name", volume.name))?;
    let access = if volume.read_only == Some(true) { Access::ReadOnly } else { Access::ReadWrite };
    Ok(Attachment { path, what: Attached::Volume { name, access } })
}

fn scratch(volume: &VolumeAttachment) -> Result<Attached, String> {
    let size = volume.other.get("sizeMb").and_then(Value::as_u64);
    match size.filter(|size| (1..=MAX_SCRATCH).contains(size)) {
        Some(megabytes) => Ok(Attached::Scratch { megabytes }),
        None => Err(format!("spec.volumes: an ephemeral one needs a sizeMb from 1 to {MAX_SCRATCH}")),
    }
}

fn is_ephemeral(volume: &VolumeAttachment) -> bool {
    volume.other.get("type").and_then(Value::as_str) == Some("ephemeral")
}
