//! What hosts have left that wrote it into files of their own, before the engine had a memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::record::{Outside, Record};

/// The files that hold it.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) records: Vec<Record>,
    pub(super) outside: Option<Outside>,
    read: Vec<PathBuf>,
    directory: PathBuf,
}

const OUTSIDE: &str = "host.json";
const SANDBOXES: &str = "sandboxes";

impl Earlier {
    /// Reads what is there. A file that cannot be understood is left as it is.
    pub(super) fn read(engine: &Path) -> io::Result<Self> {
        let directory = engine.join(SANDBOXES);
        let mut earlier = Self { records: Vec::new(), outside: None, read: Vec::new(), directory };
        earlier.outside = earlier.file(engine.join(OUTSIDE))?;
        let entries = match fs::read_dir(&earlier.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(earlier),
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => {
                    let record = earlier.file(path)?;
                    earlier.records.extend(record);
                }
                // What an interrupted write has left.
                Some("new") => earlier.read.push(path),
                _ => {}
            }
        }
        Ok(earlier)
    }

    /// Removes what was read, when all that it tells of has ended.
    pub(super) fn remove(&self) -> io::Result<()> {
        for path in &self.read {
            fs::remove_file(path)?;
        }
        match fs::remove_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other,
        }
    }

    fn file<T: DeserializeOwned>(&mut self, path: PathBuf) -> io::Result<Option<T>> {
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match serde_json::from_slice(&bytes) {
            Ok(found) => {
                self.read.push(path);
                Ok(Some(found))
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a record of an earlier host cannot be read; it is left as it is");
                Ok(None)
            }
        }
    }
}
