//! Everything once more as an ordinary user, when the tests run as root.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::Trial;
use rustix::process::geteuid;

/// Nobody.
const USER: u32 = 65534;

/// A run of all trials as an ordinary user, in a cgroup that was delegated to it where root can make one.
pub(crate) fn trial() -> Option<Trial> {
    geteuid().is_root().then(|| {
        Trial::test("all of this holds for an ordinary user", || {
            let cgroup = Delegated::make();
            let mut again = Command::new(std::env::current_exe()?);
            again.arg("ordinary-user").arg(cgroup.as_ref().map_or(Path::new(""), |made| &made.0));
            // What is ignored here is ignored there: the measurements.
            let result = again.stdin(Stdio::null()).env("TMPDIR", "/tmp").output()?;
            drop(cgroup);
            let said = String::from_utf8_lossy(&result.stdout);
            eprintln!("{}{said}", String::from_utf8_lossy(&result.stderr));
            if result.status.success() { Ok(()) } else { Err(said.into_owned().into()) }
        })
    })
}

/// Enters the cgroup, stops being root, and starts again.
pub(crate) fn become_ordinary(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cgroup = arguments.next().unwrap_or_default();
    if !cgroup.is_empty()
        && let Err(error) = fs::write(Path::new(&cgroup).join("cgroup.procs"), "0")
    {
        eprintln!("no delegated cgroup: {error}");
    }
    let Ok(me) = std::env::current_exe() else { return ExitCode::FAILURE };
    let error = Command::new(me).args(arguments).uid(USER).gid(USER).current_dir("/").exec();
    eprintln!("cannot become an ordinary user: {error}");
    ExitCode::FAILURE
}

struct Delegated(PathBuf);

impl Delegated {
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let root = fields
            .filter(|fields| fields.get(2) == Some(&"cgroup2"))
            .find_map(|fields| fields.get(1).copied())?;
        let made = Self(Path::new(root).join(format!("reveille-test-{:08x}", fastrand::u32(..))));
        fs::create_dir(&made.0).ok()?;
        for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
            chown(made.0.join(file), Some(USER), Some(USER)).ok()?;
        }
        Some(made)
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}
