//! The file that tells clients of the same user where the host is.

use std::path::{Path, PathBuf};

use reveille_wire::LocalHost;

use crate::error::{Error, ErrorKind};
use crate::store::files;

/// The file, for as long as it tells of this host.
#[derive(Debug)]
pub(crate) struct Announcement {
    path: PathBuf,
    host: LocalHost,
}

impl Announcement {
    /// Writes the file, in place of what an earlier host left there.
    pub(crate) fn make(path: &Path, host: LocalHost) -> Result<Self, Error> {
        let failed = |source: std::io::Error| {
            let message = format!("cannot write {}: {source}", path.display());
            Error::new(ErrorKind::Announce, message).with_source(source)
        };
        let json = serde_json::to_vec_pretty(&host).map_err(|error| failed(error.into()))?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory {
            files::make_private_directory(directory).map_err(failed)?;
        }
        files::replace(path, &json).map_err(failed)?;
        Ok(Self { path: path.to_owned(), host })
    }

    fn is_ours(&self) -> bool {
        let read = std::fs::read(&self.path).ok();
        read.and_then(|json| serde_json::from_slice::<LocalHost>(&json).ok())
            .is_some_and(|it| it == self.host)
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // A host that started later may have written its own.
        if !self.is_ours() {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the announcement could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn host(key: &str) -> LocalHost {
        LocalHost { url: "http://127.0.0.1:1".into(), key: key.into(), workspace: "local".into(), pid: 1 }
    }

    #[test]
    fn it_is_for_its_owner_only_and_goes_with_the_host() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state/reveille/host.json");
        let made = Announcement::make(&path, host("a")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_later_host_wrote_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("host.json");
        let first = Announcement::make(&path, host("a")).unwrap();
        let second = Announcement::make(&path, host("b")).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
