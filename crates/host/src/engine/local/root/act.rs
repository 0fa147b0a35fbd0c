use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind_recursive, mount_remount};

use super::c_path;

/// One step of building a root, prepared so that it allocates nothing.
#[derive(Debug)]
pub(super) struct Act {
    what: What,
    at: CString,
    need: Need,
}

#[derive(Debug)]
enum What {
    /// What is at another place, with all that is mounted below it.
    Bind {
        from: CString,
    },
    /// What is mounted there can only be read from now on. These flags it has and keeps.
    ReadOnly {
        flags: MountFlags,
    },
    /// A file system that is made for the sandbox.
    Fresh {
        kind: CString,
        flags: MountFlags,
        options: CString,
    },
    Directory {
        mode: Mode,
    },
    /// An empty file, over which something can be bound.
    File,
    Link {
        to: CString,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    IfItCan,
}

impl Act {
    pub(super) fn bind(from: &Path, to: &Path) -> io::Result<Self> {
        Self::new(What::Bind { from: c_path(from)? }, to)
    }

    pub(super) fn read_only(at: &Path, flags: MountFlags) -> io::Result<Self> {
        Self::new(What::ReadOnly { flags }, at)
    }

    pub(super) fn fresh(kind: &str, at: &Path, flags: MountFlags, options: &str) -> io::Result<Self> {
        Self::new(What::Fresh { kind: CString::new(kind)?, flags, options: CString::new(options)? }, at)
    }

    /// The machine's `lower` with changes in `upper`.
    pub(super) fn overlay(lower: &Path, upper: &Path, work: &Path, at: &Path) -> io::Result<Self> {
        let mut options = b"userxattr,lowerdir=".to_vec();
        options.extend(escaped(lower)?);
        options.extend(b",upperdir=");
        options.extend(escaped(upper)?);
        options.extend(b",workdir=");
        options.extend(escaped(work)?);
        let (kind, options) = (CString::new("overlay")?, CString::new(options)?);
        Self::new(What::Fresh { kind, flags: MountFlags::NODEV, options }, at)
    }

    pub(super) fn directory(at: &Path, mode: u32) -> io::Result<Self> {
        Self::new(What::Directory { mode: Mode::from_raw_mode(mode) }, at)
    }

    pub(super) fn file(at: &Path) -> io::Result<Self> {
        Self::new(What::File, at)
    }

    pub(super) fn link(to: &str, at: &Path) -> io::Result<Self> {
        Self::new(What::Link { to: CString::new(to)? }, at)
    }

    /// The same, and the root is good without it.
    pub(super) fn if_it_can(mut self) -> Self {
        self.need = Need::IfItCan;
        self
    }

    fn new(what: What, at: &Path) -> io::Result<Self> {
        Ok(Self { what, at: c_path(at)?, need: Need::Must })
    }

    /// Does it. System calls only.
    pub(super) fn carry_out(&self) -> Result<(), Errno> {
        let at = self.at.as_c_str();
        let done = match &self.what {
            What::Bind { from } => mount_bind_recursive(from.as_c_str(), at),
            What::ReadOnly { flags } => {
                mount_remount(at, *flags | MountFlags::BIND | MountFlags::RDONLY, c"")
            }
            What::Fresh { kind, flags, options } => mount(kind, at, kind, *flags, some(options)),
            What::Directory { mode } => {
                rustix::fs::mkdir(at, *mode).and_then(|()| rustix::fs::chmod(at, *mode))
            }
            What::File => rustix::fs::open(at, OFlags::CREATE | OFlags::CLOEXEC, Mode::RUSR).map(drop),
            What::Link { to } => rustix::fs::symlink(to.as_c_str(), at),
        };
        if self.need == Need::IfItCan { Ok(()) } else { done }
    }
}

fn some(options: &CStr) -> Option<&CStr> {
    (!options.is_empty()).then_some(options)
}

/// A path among the options of an overlay, where commas and colons part them.
fn escaped(path: &Path) -> io::Result<Vec<u8>> {
    let path = c_path(path)?.into_bytes();
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        if matches!(byte, b',' | b':' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    Ok(escaped)
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_string_lossy();
        match &self.what {
            What::Bind { from } => write!(f, "binding {} to {at}", from.to_string_lossy()),
            What::ReadOnly { .. } => write!(f, "making {at} read-only"),
            What::Fresh { kind, .. } => write!(f, "mounting a fresh {} at {at}", kind.to_string_lossy()),
            What::Directory { .. } | What::File | What::Link { .. } => write!(f, "making {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_commas_and_colons_is_one_option() {
        assert_eq!(escaped(Path::new("/a,b:c\\d")).unwrap(), b"/a\\,b\\:c\\\\d");
    }
}
