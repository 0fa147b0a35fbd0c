//! The file that tells clients of the same user where the host is.

use std::path::{Path, PathBuf};

use reveille_wire::LocalHost;

use crate::error::{Error, ErrorKind};
use crate::store::files;

/// What became of telling clients.
#[derive(Debug)]
pub(crate) enum Announced {
    Here(Announcement),
    /// Another host of this user runs, and clients find that one.
    Elsewhere(LocalHost),
}

/// The file, for as long as it tells of this host.
#[derive(Debug)]
pub(crate) struct Announcement {
    path: PathBuf,
    host: LocalHost,
}

impl Announcement {
    /// Writes the file, in place of what a host that runs no more has left there.
    pub(crate) fn make(path: &Path, host: LocalHost) -> Result<Announced, Error> {
        let failed = |source: std::io::Error| {
            let message = format!("cannot write {}: {source}", path.display());
            Error::new(ErrorKind::Announce, message).with_source(source)
        };
        if let Some(other) = read(path).filter(runs) {
            return Ok(Announced::Elsewhere(other));
        }
        let json = serde_json::to_vec_pretty(&host).map_err(|error| failed(error.into()))?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory {
            files::make_private_directory(directory).map_err(failed)?;
        }
        files::replace(path, &json).map_err(failed)?;
        Ok(Announced::Here(Self { path: path.to_owned(), host }))
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Somebody may have written another in its place.
        if read(&self.path).is_none_or(|found| found != self.host) {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the announcement could not be removed");
        }
    }
}

fn read(path: &Path) -> Option<LocalHost> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn runs(host: &LocalHost) -> bool {
    host.runs(|path| std::fs::read_to_string(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use reveille_wire::Birth;

    fn host(key: &str, pid: u32) -> LocalHost {
        let birth = Birth::of(pid, |path| std::fs::read_to_string(path));
        LocalHost { url: "http://127.0.0.1:1".into(), key: key.into(), workspace: "local".into(), pid, birth }
    }

    fn here(announced: Announced) -> Announcement {
        match announced {
            Announced::Here(announcement) => announcement,
            Announced::Elsewhere(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_for_its_owner_only_and_goes_with_the_host() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state/reveille/host.json");
        let made = here(Announcement::make(&path, host("a", std::process::id())).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_host_does_not_take_the_first_ones_place() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("host.json");
        let first = here(Announcement::make(&path, host("a", std::process::id())).unwrap());
        let second = Announcement::make(&path, host("b", std::process::id())).unwrap();
        assert!(matches!(&second, Announced::Elsewhere(other) if other.key == "a"));
        drop(second);
        assert_eq!(read(&path).unwrap().key, "a");
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_host_left_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("host.json");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = LocalHost { birth: host("", child.id()).birth, ..host("a", child.id()) };
        child.wait().unwrap();
        std::fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        drop(here(Announcement::make(&path, host("b", std::process::id())).unwrap()));
        assert!(!path.exists());
        std::fs::write(&path, "{").unwrap();
        drop(here(Announcement::make(&path, host("b", std::process::id())).unwrap()));
    }
}
