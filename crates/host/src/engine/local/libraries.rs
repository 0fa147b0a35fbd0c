//! What the agent's program is linked to, for sandboxes whose root is made of an image: one with another C library, or
//! with none, runs the agent all the same.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A directory of libraries, which is filled when it is needed.
#[derive(Debug)]
pub(super) struct Libraries {
    directory: PathBuf,
    taken: Mutex<Option<Taken>>,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// The program is linked to nothing.
    Nothing,
    /// The name of what loads it, among the libraries.
    Loader(OsString),
}

impl Libraries {
    pub(super) fn keep(directory: PathBuf) -> Self {
        Self { directory, taken: Mutex::default() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes the libraries of this process, which is the same program as the agent.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub(super) fn take(&self) -> io::Result<Taken> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = &*taken {
            return Ok(taken.clone());
        }
        let maps = fs::read_to_string("/proc/self/maps")?;
        let found = mapped(&maps);
        fs::create_dir_all(&self.directory)?;
        for library in &found {
            let place = self.directory.join(library.file_name().unwrap_or_default());
            // What is there already may be in use in sandboxes that an earlier host has started.
            let new = place.with_extension("new");
            fs::copy(library, &new).and_then(|_| fs::rename(&new, &place))?;
        }
        let loader = found.iter().filter_map(|library| library.file_name()).find(|name| is_loader(name));
        let now = loader.map_or(Taken::Nothing, |loader| Taken::Loader(loader.to_owned()));
        *taken = Some(now.clone());
        Ok(now)
    }
}

/// The libraries in a process's table of maps, by the names under which they are mapped.
fn mapped(maps: &str) -> BTreeSet<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    paths.filter(|path| is_library(path)).map(Path::to_owned).collect()
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".so") || name.contains(".so.")
}

fn is_loader(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("ld-") || name.starts_with("ld.so") || name.starts_with("ld64.so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_among_what_is_mapped() {
        let maps = "55-56 r-xp 0 08:01 1   /usr/bin/reveille\n\
            7f-80 r--p 0 08:01 2   /usr/lib/libc.so.6\n\
            80-81 r-xp 0 08:01 2   /usr/lib/libc.so.6\n\
            81-82 r-xp 0 08:01 3   /usr/lib/ld-linux-x86-64.so.2\n\
            82-83 rw-p 0 00:00 0   [heap]\n";
        let found = mapped(maps);
        assert_eq!(found, ["/usr/lib/ld-linux-x86-64.so.2", "/usr/lib/libc.so.6"].map(PathBuf::from).into());
        assert!(is_loader(OsStr::new("ld-linux-x86-64.so.2")) && !is_loader(OsStr::new("libc.so.6")));
    }

    #[test]
    fn a_program_is_loaded_by_what_was_taken_with_its_libraries() {
        let place = tempfile::tempdir().unwrap();
        let libraries = Libraries::keep(place.path().join("lib"));
        match libraries.take().unwrap() {
            Taken::Nothing => eprintln!("SKIPPED: this program is linked to nothing"),
            Taken::Loader(name) => assert!(libraries.directory().join(name).is_file()),
        }
    }
}
