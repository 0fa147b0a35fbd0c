//! The programs that make, grow and mount a file system.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All that are run.
const ALL: [&str; 5] = ["e2fsck", "losetup", "mke2fs", "mount", "resize2fs"];
/// The most of what such a program says that is told.
const SAID: usize = 400;

/// One that this machine does not have.
pub(super) fn missing() -> Option<&'static str> {
    ALL.into_iter().find(|program| find(program).is_none())
}

/// One of them.
pub(super) fn program(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| name.into()))
}

/// Runs one, which ends well with these statuses. It holds what is locked for as long as it runs, also when this
/// process has ended before.
pub(super) fn run(mut command: Command, well: &[i32], locked: &File) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::from(locked.try_clone()?)).env("LC_ALL", "C").output();
    let done = done.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    if done.status.code().is_some_and(|status| well.contains(&status)) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let kind = if said.contains("No space left") { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
    Err(io::Error::new(kind, said.trim().chars().take(SAID).collect::<String>()))
}

/// Where a program is. A host's own `PATH` may leave out where those of root are.
fn find(program: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    places.into_iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}
