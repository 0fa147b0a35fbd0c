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

/// Sandboxes that have all of these labels may use a part of a drive. What is not said, or said with nothing in it, is
/// what the platform's documentation has for it: all of the drive, to be read and written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Permission {
    labels: BTreeMap<String, String>,
    mode: Mode,
    path: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Read,
    #[default]
    #[serde(alias = "")]
    ReadWrite,
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
    if permissions
        .iter()
        .any(|it| !it.part().starts_with('/') || it.part().split('/').any(|part| part == ".."))
    {
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
    fn is_of(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
    }

    /// The part of the drive that it is about.
    fn part(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// What is mounted of the drive for somebody who asks for this path: who asks for all of it gets the part.
    fn granted<'a>(&'a self, path: &'a str) -> Option<&'a str> {
        let asks_for_all = is_within(path, "/");
        match (asks_for_all, is_within(self.part(), path)) {
            (true, _) => Some(self.part()),
            (false, true) => Some(path),
            (false, false) => None,
        }
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
        let labels = self.labels_of(sandbox);
        // The first whose labels fit counts, as on the platform.
        let of_it = permissions.iter().find(|it| it.is_of(&labels));
        let granted = of_it.and_then(|it| Some((it.granted(&wish.drive_path)?.to_owned(), it.mode)));
        let Some((path, mode)) = granted else {
            let (drive, path) = (&wish.drive, &wish.drive_path);
            return Err(format!(
                "permission denied: drive {drive:?} lets no sandbox with the labels of {sandbox} have {path}"
            ));
        };
        wish.drive_path = path;
        wish.read_only |= mode == Mode::Read;
        Ok(wish)
    }

    /// The labels of a sandbox, with those that the platform gives to each.
    fn labels_of(&self, sandbox: &str) -> BTreeMap<String, String> {
        let record = self.records.read(sandbox);
        let mut labels = record.map(|it| it.sandbox.metadata.labels.clone()).unwrap_or_default();
        let own =
            [("blaxel-workspace", &*self.workspace), ("blaxel-type", "sandbox"), ("blaxel-name", sandbox)];
        labels.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        labels
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
