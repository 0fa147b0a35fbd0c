//! Which sandboxes may mount a drive, and what they may do with it: what its record says of labels.

use std::collections::BTreeMap;

use reveille_wire::MountRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::answer::Failure;
use super::super::state::Control;
use super::kept::{Drive, Kept as _, Resource};

/// The most permissions of one drive, as on the platform.
const MAX_PERMISSIONS: usize = 3;

/// Sandboxes that have all of these labels may use a part of a drive.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Permission {
    labels: BTreeMap<String, String>,
    mode: Mode,
    path: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    #[default]
    Read,
    ReadWrite,
}

impl Default for Permission {
    fn default() -> Self {
        Self { labels: BTreeMap::new(), mode: Mode::default(), path: "/".to_owned() }
    }
}

/// Refuses permissions that cannot be understood.
pub(super) fn check(spec: &Map<String, Value>) -> Result<(), Failure> {
    let permissions = permissions(spec).map_err(|_| {
        let form = "labels of texts, a mode that is read or read-write, and a path";
        Failure::bad_request(format!("spec.permissions: a list of objects with {form}"))
    })?;
    if permissions.len() > MAX_PERMISSIONS {
        return Err(Failure::bad_request(format!("spec.permissions holds more than {MAX_PERMISSIONS}")));
    }
    if permissions.iter().any(|it| !it.path.starts_with('/') || it.path.split('/').any(|part| part == "..")) {
        return Err(Failure::bad_request("spec.permissions: a path begins with / and holds no \"..\""));
    }
    Ok(())
}

fn permissions(spec: &Map<String, Value>) -> serde_json::Result<Vec<Permission>> {
    match spec.get("permissions") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(said) => Vec::deserialize(said),
    }
}

impl Permission {
    fn is_of(&self, labels: &BTreeMap<String, String>, path: &str) -> bool {
        self.labels.iter().all(|(name, value)| labels.get(name) == Some(value)) && is_within(&self.path, path)
    }
}

/// Whether a path of a drive is another one, or below it.
fn is_within(whole: &str, path: &str) -> bool {
    let steps = |path| str::split(path, '/').filter(|step| !matches!(*step, "" | "."));
    let mut rest = steps(path);
    steps(whole).all(|step| rest.next() == Some(step)) && rest.all(|step| step != "..")
}

impl Control {
    /// What becomes of a wish to mount a drive: as the drive's permissions have it, it can only be read.
    ///
    /// # Errors
    /// A sentence, where none of them is of this sandbox and what it asks for.
    pub(crate) fn permitted(&self, sandbox: &str, mut wish: MountRequest) -> Result<MountRequest, String> {
        let Some(drive) = Drive::shelf(self).read(&wish.drive) else { return Ok(wish) };
        let Resource { spec, .. } = drive.resource();
        // What cannot be understood was refused when it came; an earlier host may have kept it.
        let permissions = permissions(spec).map_err(|error| {
            format!("permission denied: those of drive {:?} cannot be understood: {error}", wish.drive)
        })?;
        if permissions.is_empty() {
            return Ok(wish);
        }
        let labels = self.records.read(sandbox).map(|it| it.sandbox.metadata.labels.clone());
        let labels = labels.unwrap_or_default();
        let of_it = permissions.iter().filter(|it| it.is_of(&labels, &wish.drive_path));
        let Some(mode) = of_it.map(|permission| permission.mode).max() else {
            let (drive, path) = (&wish.drive, &wish.drive_path);
            return Err(format!(
                "permission denied: drive {drive:?} lets no sandbox with the labels of {sandbox} have {path}"
            ));
        };
        wish.read_only |= mode == Mode::Read;
        Ok(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_within_one_by_whole_steps() {
        for (whole, path) in [("/", "/"), ("/", "/a/b"), ("/a", "/a"), ("/a/", "//a/./b"), ("/a", "/a/b/c")] {
            assert!(is_within(whole, path), "{whole} {path}");
        }
        for (whole, path) in [("/a", "/"), ("/a", "/ab"), ("/a/b", "/a"), ("/a", "/b/a"), ("/a", "/a/../b")] {
            assert!(!is_within(whole, path), "{whole} {path}");
        }
    }
}
