//! The files of a sandbox.

use std::path::PathBuf;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyString, PyTuple};
use reveille::RetryPolicy;
use reveille::files::{FoundKind, Watched};

use crate::call::Call;
use crate::response::Streamed;
use crate::sandbox::Sandbox;
use crate::value::{Options, Values, as_bytes, as_json, json, made, nothing, tuned};

/// Reads and writes files, and looks for them.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Files {
    files: reveille::files::Files,
    policy: RetryPolicy,
}

#[pymethods]
impl Files {
    #[new]
    fn new(sandbox: &Sandbox) -> Self {
        Self { files: sandbox.sandbox.files(), policy: sandbox.policy }
    }

    fn read(&self, path: &[u8], options: Options) -> Call {
        made(tuned!(self.files.read(path), options, self.policy), |bytes, py| as_bytes(&bytes, py))
    }

    fn read_text(&self, path: &[u8], options: Options) -> Call {
        let read = tuned!(self.files.read_text(path), options, self.policy);
        made(read, |text, py| Ok(PyString::new(py, &text).into_any().unbind()))
    }

    fn write(&self, path: &[u8], content: PyBackedBytes, mode: Option<u32>, options: Options) -> Call {
        let write = self.files.write(path, Bytes::from_owner(content));
        let write = mode.into_iter().fold(write, reveille::files::Write::mode);
        nothing(tuned!(write, options, self.policy))
    }

    fn make_directory(&self, path: &[u8], options: Options) -> Call {
        nothing(tuned!(self.files.make_directory(path), options, self.policy))
    }

    fn remove(&self, path: &[u8], recursive: bool, options: Options) -> Call {
        let remove = self.files.remove(path);
        nothing(tuned!(if recursive { remove.recursive() } else { remove }, options, self.policy))
    }

    fn copy(&self, from: &str, to: &str, overwrite: bool, options: Options) -> Call {
        let copy = self.files.copy(from, to);
        json(tuned!(if overwrite { copy } else { copy.no_overwrite() }, options, self.policy))
    }

    fn kind(&self, path: &[u8], options: Options) -> Call {
        made(tuned!(self.files.kind(path), options, self.policy), |kind, py| {
            let kind = kind.map(|kind| if kind == FoundKind::Directory { "directory" } else { "file" });
            Ok(kind.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn list(&self, path: &[u8], options: Options) -> Call {
        json(tuned!(self.files.list(path), options, self.policy))
    }

    fn tree(&self, path: &[u8], patterns: Vec<String>, options: Options) -> Call {
        let tree = patterns.into_iter().fold(self.files.tree(path), |tree, pattern| tree.pattern(&pattern));
        json(tuned!(tree, options, self.policy))
    }

    fn find(&self, directory: &[u8], patterns: Vec<String>, options: Options) -> Call {
        let find =
            patterns.into_iter().fold(self.files.find(directory), |find, pattern| find.pattern(&pattern));
        json(tuned!(find, options, self.policy))
    }

    fn grep(&self, directory: &[u8], text: &str, options: Options) -> Call {
        json(tuned!(self.files.grep(directory, text), options, self.policy))
    }

    fn stream(&self, path: &[u8], options: Options) -> Call {
        let mut download = self.files.download(path);
        if let Some(deadline) = options.deadline() {
            download = download.deadline(deadline);
        }
        made(download.stream(), Streamed::made)
    }

    fn download(&self, path: &[u8], to: PathBuf, options: Options) -> Call {
        let mut download = self.files.download(path);
        if let Some(deadline) = options.deadline() {
            download = download.deadline(deadline);
        }
        made(download.to_file(to), |length, py| Ok(length.into_pyobject(py)?.into_any().unbind()))
    }

    fn upload(&self, from: PathBuf, path: &[u8], mode: Option<u32>) -> Call {
        let upload = mode.into_iter().fold(self.files.upload(path), reveille::files::Upload::mode);
        made(upload.from_file(from), |length, py| Ok(length.into_pyobject(py)?.into_any().unbind()))
    }

    fn upload_directory(&self, from: PathBuf, to: &[u8]) -> Call {
        made(self.files.upload_directory(from, to), moved)
    }

    fn download_directory(&self, from: &[u8], to: PathBuf) -> Call {
        made(self.files.download_directory(from, to), moved)
    }

    /// What happens in a directory: events as JSON, `False` where something may have been missed.
    fn watch(&self, directory: &[u8], recursive: bool, ignore: Vec<String>) -> Values {
        let watch = ignore.into_iter().fold(self.files.watch(directory), reveille::files::Watch::ignore);
        let watch = if recursive { watch.recursive() } else { watch };
        Values::of(watch.begin(), |watched, py| match watched {
            Watched::Event(event) => as_json(&event, py),
            _ => Ok(false.into_pyobject(py)?.to_owned().into_any().unbind()),
        })
    }
}

/// How many files and bytes were moved, and what was left out.
fn moved(moved: reveille::files::Moved, py: Python<'_>) -> PyResult<Py<PyAny>> {
    let reveille::files::Moved { files, bytes, skipped, .. } = moved;
    let skipped: Vec<_> = skipped.into_iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let moved: Bound<'_, PyTuple> = (files, bytes, skipped).into_pyobject(py)?;
    Ok(moved.into_any().unbind())
}
