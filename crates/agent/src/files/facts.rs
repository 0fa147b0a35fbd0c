//! What is told of files and directories.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use reveille_wire::{Directory, File, Subdirectory};

use super::owners;
use crate::clock;

/// What is told of the file that is shown as `shown`.
pub(crate) fn file(shown: &Path, facts: &Metadata) -> File {
    let mut file = File::default();
    file.path = shown.to_string_lossy().into_owned();
    file.name = name(shown);
    file.permissions = format!("{:o}", facts.mode() & 0o7777);
    file.size = facts.len();
    file.last_modified = clock::rfc3339(modified(facts));
    file.owner = owners::user(facts.uid());
    file.group = owners::group(facts.gid());
    file.encoded_path = encoded(shown.as_os_str());
    file
}

/// What is told of a directory within another.
pub(crate) fn subdirectory(shown: &Path) -> Subdirectory {
    let mut directory = Subdirectory::default();
    directory.path = shown.to_string_lossy().into_owned();
    directory.name = name(shown);
    directory.encoded_path = encoded(shown.as_os_str());
    directory
}

/// What is told of a directory and of all that is in it. Links are files, wherever they lead.
///
/// # Errors
/// When it cannot be listed. What vanishes meanwhile is left out.
pub(crate) fn directory(shown: &Path, path: &Path) -> io::Result<Directory> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !super::is_draft(&entry.file_name()) {
            names.push(entry.file_name());
        }
    }
    names.sort_unstable();
    let mut directory = empty_directory(shown);
    for name in names {
        let (below, shown) = (path.join(&name), shown.join(&name));
        match fs::symlink_metadata(below) {
            Ok(facts) if facts.is_dir() => directory.subdirectories.push(subdirectory(&shown)),
            Ok(facts) => directory.files.push(file(&shown, &facts)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(directory)
}

/// A directory of which nothing is told yet.
pub(crate) fn empty_directory(shown: &Path) -> Directory {
    let mut directory = Directory::default();
    directory.path = shown.to_string_lossy().into_owned();
    directory.name = name(shown);
    directory
}

/// When the content changed. A time that the machine cannot say is the beginning of time.
pub(crate) fn modified(facts: &Metadata) -> SystemTime {
    facts.modified().ok().filter(|at| *at >= SystemTime::UNIX_EPOCH).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn name(shown: &Path) -> String {
    shown.file_name().unwrap_or(shown.as_os_str()).to_string_lossy().into_owned()
}

/// The form that a URL takes, for what no text can say.
fn encoded(shown: &OsStr) -> Option<String> {
    match shown.to_str() {
        Some(_) => None,
        None => Some(percent_encode(shown.as_bytes(), NON_ALPHANUMERIC).to_string()),
    }
}
