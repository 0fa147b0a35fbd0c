//! What of `/etc` is nobody's business inside: all that not everybody on the machine may read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lsetxattr};

use super::make_directory;

/// The attribute by which an overlay in a user namespace hides what lies below a directory.
const OPAQUE: &std::ffi::CStr = c"user.overlay.opaque";

/// Something that is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    /// Below `/etc`.
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

/// Finds all that not everybody may read, below `etc`.
pub(super) fn find(etc: &Path) -> io::Result<Vec<Secret>> {
    let mut found = Vec::new();
    look(etc, Path::new(""), &mut found)?;
    Ok(found)
}

fn look(etc: &Path, below: &Path, found: &mut Vec<Secret>) -> io::Result<()> {
    for entry in fs::read_dir(etc.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        // What is gone by now, or cannot be looked at, is not for the inside either; a link is as good as its end.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            if meta.mode() & 0o005 != 0o005 {
                found.push(Secret { path, kind: Kind::Directory });
            } else {
                look(etc, &path, found)?;
            }
        } else if !meta.is_symlink() && (!meta.is_file() || meta.mode() & 0o004 == 0) {
            found.push(Secret { path, kind: Kind::File });
        }
    }
    Ok(())
}

/// Hides secrets by what lies over them in the sandbox's own layer. What the sandbox has put there itself stays.
pub(super) fn hide(secrets: &[Secret], upper: &Path) -> io::Result<()> {
    for secret in secrets {
        let at = upper.join(&secret.path);
        if fs::symlink_metadata(&at).is_ok() {
            continue;
        }
        if let Some(parent) = secret.path.parent() {
            make_way(upper, parent)?;
        }
        match secret.kind {
            Kind::File => drop(File::options().write(true).create_new(true).mode(0o600).open(&at)?),
            Kind::Directory => {
                make_directory(&at, 0o755)?;
                lsetxattr(&at, OPAQUE, b"y", XattrFlags::empty())?;
            }
        }
    }
    Ok(())
}

/// Makes the directories on the way to something in a layer, one step at a time and through no link.
fn make_way(upper: &Path, way: &Path) -> io::Result<()> {
    let mut at = upper.to_owned();
    for step in way {
        at.push(step);
        make_directory(&at, 0o755)?;
    }
    Ok(())
}

/// Copies what is no secret, where it is not there yet.
pub(super) fn copy_the_rest(from: &Path, to: &Path, secrets: &[Secret]) -> io::Result<()> {
    if fs::read_dir(to)?.next().is_some() {
        return Ok(());
    }
    copy(from, Path::new(""), to, secrets)
}

fn copy(from: &Path, below: &Path, to: &Path, secrets: &[Secret]) -> io::Result<()> {
    for entry in fs::read_dir(from.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if secrets.iter().any(|secret| secret.path == path) {
            continue;
        }
        let target = to.join(&path);
        if kind.is_dir() {
            make_directory(&target, 0o755)?;
            copy(from, &path, to, secrets)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn etc() -> tempfile::TempDir {
        let etc = tempfile::tempdir().unwrap();
        for (name, mode) in [("passwd", 0o644), ("shadow", 0o640), ("ssl/private/key", 0o644)] {
            let path = etc.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(etc.path().join("ssl/private"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("shadow", etc.path().join("link")).unwrap();
        etc
    }

    #[test]
    fn what_not_everybody_may_read_is_a_secret() {
        let mut found = find(etc().path()).unwrap();
        found.sort_by_key(|secret| secret.path.clone());
        let secret = |path: &str, kind| Secret { path: path.into(), kind };
        assert_eq!(found, [secret("shadow", Kind::File), secret("ssl/private", Kind::Directory)]);
    }

    #[test]
    fn a_copy_has_everything_but_the_secrets() {
        let (etc, copy) = (etc(), tempfile::tempdir().unwrap());
        copy_the_rest(etc.path(), copy.path(), &find(etc.path()).unwrap()).unwrap();
        let there = |path: &str| copy.path().join(path).symlink_metadata().is_ok();
        assert!(there("passwd") && there("link") && there("ssl"));
        assert!(!there("shadow") && !there("ssl/private"));
    }

    #[test]
    fn what_a_sandbox_has_put_in_the_place_of_a_secret_stays() {
        let (etc, upper) = (etc(), tempfile::tempdir().unwrap());
        fs::write(upper.path().join("shadow"), "its own").unwrap();
        // Some file systems have no attributes of users; then there are no layers either.
        if hide(&find(etc.path()).unwrap(), upper.path()).is_ok() {
            assert_eq!(fs::read_to_string(upper.path().join("shadow")).unwrap(), "its own");
            assert_eq!(fs::read_dir(upper.path().join("ssl/private")).unwrap().count(), 0);
        }
    }
}
