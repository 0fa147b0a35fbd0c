//! Whether a directory is mounted in a sandbox, awake or asleep.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A place on a file system: which one, and where in it.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    device: Vec<u8>,
    within: PathBuf,
}

/// Whether the directory, or something below it, is mounted somewhere that this process knows of: in any mount
/// namespace of any process.
pub(super) fn is_mounted(directory: &Path) -> io::Result<bool> {
    let Ok(directory) = directory.canonicalize() else { return Ok(false) };
    let Some(source) = source_of(&directory, &fs::read("/proc/self/mountinfo")?) else { return Ok(false) };
    for process in fs::read_dir("/proc")? {
        let process = process?;
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // One that has ended meanwhile, or is somebody else's, has none of ours.
        let Ok(mounts) = fs::read(process.path().join("mountinfo")) else { continue };
        if holds(&mounts, &source) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where a directory is on its file system, as this process's mounts have it.
fn source_of(directory: &Path, mounts: &[u8]) -> Option<Source> {
    let covering = lines(mounts).filter(|mount| directory.starts_with(&mount.at));
    // Of several at one place the last covers the others.
    let mount = covering.max_by_key(|mount| mount.at.components().count())?;
    let below = directory.strip_prefix(&mount.at).ok()?;
    Some(Source { within: mount.source.within.join(below), device: mount.source.device })
}

fn holds(mounts: &[u8], wanted: &Source) -> bool {
    lines(mounts)
        .any(|mount| mount.source.device == wanted.device && mount.source.within.starts_with(&wanted.within))
}

struct Mount {
    source: Source,
    at: PathBuf,
}

fn lines(mounts: &[u8]) -> impl Iterator<Item = Mount> {
    mounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let device = fields.nth(2)?.to_vec();
        let (within, at) = (unescaped(fields.next()?), unescaped(fields.next()?));
        Some(Mount { source: Source { device, within }, at })
    })
}

/// A path as the kernel escapes it: `\040` for a space.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| byte == b'\\').and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                path.push(escaped);
                rest = &after[3..];
            }
            None => {
                path.push(byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"20 1 8:1 / / rw - ext4 /dev/a rw\n\
        21 20 8:2 /home /data rw - ext4 /dev/b rw\n\
        22 20 8:2 /home/my\\040drives/one /mnt/x rw - ext4 /dev/b rw\n";

    #[test]
    fn a_directory_is_found_on_its_file_system_wherever_it_is_mounted() {
        let source = |path: &str| source_of(Path::new(path), MOUNTS).unwrap();
        assert_eq!(source("/data/my drives/one").within, Path::new("/home/my drives/one"));
        assert!(holds(MOUNTS, &source("/data/my drives/one")));
        assert!(!holds(MOUNTS, &source("/data/my drives/on")));
        assert!(!holds(MOUNTS, &source("/my drives/one")), "another file system");
        assert!(!holds(MOUNTS, &source("/data/my drives/one/below")));
    }

    #[test]
    fn what_is_mounted_nowhere_is_not() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!is_mounted(directory.path()).unwrap());
        assert!(!is_mounted(&directory.path().join("none")).unwrap());
    }
}
