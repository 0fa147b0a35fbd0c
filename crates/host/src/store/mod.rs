//! Records of sandboxes on disk: one JSON file each, for one host at a time.
//!
//! The data directory holds `records/NAME.json`, `sandboxes/NAME/` with the files of each sandbox, `drives/`,
//! the engine's own `engine/`, and the `lock`.

pub(crate) mod files;
mod lock;
mod record;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use reveille_wire::{Sandbox, SandboxName};

use crate::error::{Error, ErrorKind};
use lock::Lock;

/// The data directory of one host, for as long as it is in use.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    damaged: BTreeMap<String, Damaged>,
    _lock: Lock,
}

/// A record that cannot be read. It is left as it is, and its name stays taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

impl Store {
    /// Takes the data directory and reads its records.
    pub(crate) fn open(root: &Path) -> Result<(Self, Vec<Sandbox>), Error> {
        let unusable = |source: io::Error| unusable(root, source);
        for directory in [root, &root.join(RECORDS), &root.join(SANDBOXES), &root.join(DRIVES)] {
            files::make_private_directory(directory).map_err(unusable)?;
        }
        let lock = Lock::take(root)?;
        // The engine and the agents run in other directories than the host.
        let root = root.canonicalize().map_err(unusable)?;
        let mut store = Self { root, damaged: BTreeMap::new(), _lock: lock };
        let records = store.read_all().map_err(unusable)?;
        Ok((store, records))
    }

    /// Where the drives are.
    pub(crate) fn drives(&self) -> PathBuf {
        self.root.join(DRIVES)
    }

    /// Where the engine keeps its own.
    pub(crate) fn engine(&self) -> PathBuf {
        self.root.join("engine")
    }

    /// The directory of one sandbox.
    pub(crate) fn directory(&self, name: &SandboxName) -> PathBuf {
        self.root.join(SANDBOXES).join(name.as_str())
    }

    /// The record that stands under a name but cannot be read.
    pub(crate) fn damaged(&self, name: &SandboxName) -> Option<&Damaged> {
        self.damaged.get(name.as_str())
    }

    /// Every record that cannot be read.
    pub(crate) fn all_damaged(&self) -> impl Iterator<Item = &Damaged> {
        self.damaged.values()
    }

    /// Writes a record; it is on disk when this ends.
    pub(crate) fn put(&self, name: &SandboxName, sandbox: &Sandbox) -> io::Result<()> {
        files::replace(&self.record(name), &record::write(sandbox)?)
    }

    /// Removes a record.
    pub(crate) fn remove(&self, name: &SandboxName) -> io::Result<()> {
        files::remove(&self.record(name))
    }

    fn record(&self, name: &SandboxName) -> PathBuf {
        self.root.join(RECORDS).join(format!("{name}.json"))
    }

    fn read_all(&mut self) -> io::Result<Vec<Sandbox>> {
        let mut records = Vec::new();
        for entry in std::fs::read_dir(self.root.join(RECORDS))? {
            let path = entry?.path();
            if files::is_leftover(&path) {
                files::remove(&path)?;
                continue;
            }
            match record::read(&path) {
                Ok(sandbox) => records.push(sandbox),
                Err(reason) => self.report(path, reason),
            }
        }
        Ok(records)
    }

    fn report(&mut self, path: PathBuf, reason: String) {
        tracing::warn!(path = %path.display(), reason, "a record cannot be read; it is left as it is");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.damaged.insert(name, Damaged { path, reason });
    }
}

const RECORDS: &str = "records";
const SANDBOXES: &str = "sandboxes";
const DRIVES: &str = "drives";

fn unusable(root: &Path, source: io::Error) -> Error {
    let advice = match source.kind() {
        io::ErrorKind::PermissionDenied => ": make it yours, or choose another with --data",
        _ => ": choose another with --data",
    };
    let message = format!("the data directory {} cannot be used ({source}){advice}", root.display());
    Error::new(ErrorKind::Data, message).with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn sandbox(name: &str) -> Sandbox {
        let json =
            serde_json::json!({"metadata": {"name": name, "novel": 1}, "spec": {"lifecycle": {"a": []}}});
        serde_json::from_value(json).unwrap()
    }

    fn name(name: &str) -> SandboxName {
        SandboxName::new(name).unwrap()
    }

    #[test]
    fn what_was_put_comes_back_with_keys_that_nobody_knows() {
        let root = tempfile::tempdir().unwrap();
        let (store, empty) = Store::open(root.path()).unwrap();
        assert!(empty.is_empty());
        store.put(&name("a"), &sandbox("a")).unwrap();
        store.put(&name("b"), &sandbox("b")).unwrap();
        store.remove(&name("b")).unwrap();
        drop(store);
        let (_store, records) = Store::open(root.path()).unwrap();
        assert_eq!(records, [sandbox("a")]);
    }

    #[test]
    fn a_second_host_is_kept_out() {
        let root = tempfile::tempdir().unwrap();
        let first = Store::open(root.path()).unwrap();
        let refused = Store::open(root.path()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InUse);
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        assert!(Store::open(root.path()).is_ok());
    }

    #[test]
    fn a_record_that_cannot_be_read_is_left_and_its_name_stays_taken() {
        let root = tempfile::tempdir().unwrap();
        drop(Store::open(root.path()).unwrap());
        let records = root.path().join("records");
        let bad = [
            ("cut.json", "{\"version\":1,"),
            ("other.json", r#"{"version":1,"sandbox":{"metadata":{"name":"box"}}}"#),
        ];
        for (file, text) in bad {
            std::fs::write(records.join(file), text).unwrap();
        }
        std::fs::write(records.join(".box.json.new"), "half").unwrap();
        let (store, read) = Store::open(root.path()).unwrap();
        assert!(read.is_empty());
        for (file, text) in bad {
            assert_eq!(std::fs::read_to_string(records.join(file)).unwrap(), text);
        }
        assert!(store.damaged(&name("cut")).is_some() && store.damaged(&name("other")).is_some());
        assert!(!records.join(".box.json.new").exists(), "what an interrupted write left is no record");
    }

    #[test]
    fn a_record_of_a_later_version_is_left() {
        let root = tempfile::tempdir().unwrap();
        drop(Store::open(root.path()).unwrap());
        let text = r#"{"version":2,"sandbox":{"metadata":{"name":"box"}}}"#;
        std::fs::write(root.path().join("records/box.json"), text).unwrap();
        let (store, _) = Store::open(root.path()).unwrap();
        assert!(store.damaged(&name("box")).unwrap().reason.contains("version 2"));
    }

    #[test]
    fn records_are_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&root.path().join("data")).unwrap();
        store.put(&name("a"), &sandbox("a")).unwrap();
        let mode =
            |path: &str| std::fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("data"), mode("data/records/a.json")), (0o700, 0o600));
    }

    #[test]
    fn a_data_directory_that_is_a_file_says_so() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, "").unwrap();
        let refused = Store::open(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Data);
        let said = refused.to_string();
        assert!(said.contains(path.to_str().unwrap()) && said.contains("--data"), "{said}");
    }
}
