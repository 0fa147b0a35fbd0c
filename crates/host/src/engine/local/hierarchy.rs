//! Where the cgroups of this process are, in the one hierarchy of version 2 and in those of version 1.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Where a host goes that is to have cgroups beside itself: what hands its controllers on holds no processes.
pub(super) const ASIDE: &str = "reveille-host";

/// A hierarchy of cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// The only one there is.
    Version2,
    /// The one that has this controller.
    Version1(&'static str),
}

impl Hierarchy {
    /// The cgroup that this process is in, or was until it went [aside](ASIDE). A host may make its own below it when
    /// it is root, or when the cgroup was delegated to its user.
    ///
    /// # Errors
    /// When there is no such hierarchy, or none that this process can see its own cgroup in.
    pub(super) fn own(self) -> io::Result<PathBuf> {
        let no = |why: String| io::Error::new(io::ErrorKind::Unsupported, why);
        let membership = fs::read_to_string("/proc/self/cgroup")?;
        let path = membership
            .lines()
            .find_map(|line| self.member(line))
            .ok_or_else(|| no(format!("this process is in no cgroup {self}")))?;
        let directory = fs::read_to_string("/proc/self/mountinfo")?
            .lines()
            .filter_map(|line| self.mounted_at(line, Path::new(path)))
            .find(|directory| directory.join("cgroup.procs").exists())
            .ok_or_else(|| no(format!("no cgroup {self} is mounted where this process can see its own")))?;
        Ok(self.before(directory))
    }

    /// Where a process of this cgroup was before it went aside, if it did.
    fn before(self, directory: PathBuf) -> PathBuf {
        match directory.parent() {
            Some(before) if self == Self::Version2 && directory.ends_with(ASIDE) => before.to_owned(),
            _ => directory,
        }
    }

    /// The path in a line of `/proc/self/cgroup`, where that is about this hierarchy.
    fn member(self, line: &str) -> Option<&str> {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = match self {
            Self::Version2 => line.starts_with("0::"),
            Self::Version1(controller) => controllers.split(',').any(|one| one == controller),
        };
        is_it.then_some(path)
    }

    /// Where a line of `/proc/self/mountinfo` shows the cgroup with this path.
    fn mounted_at(self, line: &str, path: &Path) -> Option<PathBuf> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_it = match (self, kind.next()?) {
            (Self::Version2, "cgroup2") => true,
            (Self::Version1(controller), "cgroup") => {
                kind.nth(1)?.split(',').any(|option| option == controller)
            }
            _ => false,
        };
        if !is_it {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let root = unescape(fields.next()?);
        let point = unescape(fields.next()?);
        Some(point.join(path.strip_prefix(root).ok()?))
    }
}

impl std::fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version2 => f.write_str("of version 2"),
            Self::Version1(controller) => write!(f, "of version 1 with the controller {controller}"),
        }
    }
}

/// The kernel writes a blank, a tab, a line end and a backslash as three octal digits after a backslash.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if byte == b'\\' => {
                bytes.push(code);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cgroup_is_found_below_what_is_mounted() {
        let line = r"41 31 0:38 /user.slice /sys/fs/my\040cgroup rw,relatime - cgroup2 cgroup2 rw";
        let found = Hierarchy::Version2.mounted_at(line, Path::new("/user.slice/session-2.scope"));
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/my cgroup/session-2.scope")));
        assert_eq!(Hierarchy::Version2.mounted_at(line, Path::new("/system.slice")), None);
    }

    #[test]
    fn who_went_aside_has_cgroups_where_it_was() {
        let before = |path: &str| Hierarchy::Version2.before(path.into());
        assert_eq!(before("/sys/fs/cgroup/user.slice/reveille-host"), Path::new("/sys/fs/cgroup/user.slice"));
        assert_eq!(before("/sys/fs/cgroup/reveille-host/a"), Path::new("/sys/fs/cgroup/reveille-host/a"));
        let of_version_1 = Hierarchy::Version1("cpu").before("/sys/fs/cgroup/cpu/reveille-host".into());
        assert_eq!(of_version_1, Path::new("/sys/fs/cgroup/cpu/reveille-host"));
    }

    #[test]
    fn one_of_version_1_is_found_by_its_controller() {
        let line = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct";
        let found = |hierarchy: Hierarchy| hierarchy.mounted_at(line, Path::new("/a"));
        assert_eq!(found(Hierarchy::Version1("cpu")), Some("/sys/fs/cgroup/cpu/a".into()));
        assert_eq!(found(Hierarchy::Version1("memory")), None);
        assert_eq!(found(Hierarchy::Version2), None);
        let member = "3:cpu,cpuacct:/a:b";
        assert_eq!(Hierarchy::Version1("cpu").member(member), Some("/a:b"));
        assert_eq!(Hierarchy::Version1("pids").member(member), None);
        assert_eq!(Hierarchy::Version2.member(member), None);
        assert_eq!(Hierarchy::Version2.member("0::/a"), Some("/a"));
    }
}
