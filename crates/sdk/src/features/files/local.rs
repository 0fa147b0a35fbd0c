//! Files of this machine, and how far their way is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::fs;

use crate::error::Error;

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes that there are, where that is known.
    pub total: Option<u64>,
}

impl Progress {
    pub(super) fn new(done: u64, total: Option<u64>) -> Self {
        Self { done, total }
    }
}

/// Who wants to know.
#[derive(Clone, Default)]
pub(super) struct Listener(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Listener {
    pub(super) fn new(hook: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(super) fn tell(&self, progress: Progress) {
        if let Some(hook) = &self.0 {
            hook(progress);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "nobody" })
    }
}

/// A file that comes: under another name in the same directory until it is whole. Dropped before, it leaves nothing.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) file: fs::File,
    target: PathBuf,
    place: Place,
}

/// Where it comes to.
#[derive(Debug)]
enum Place {
    Beside(PathBuf),
    /// A pipe, a terminal or a device, which takes what comes and is not replaced.
    There,
}

impl Coming {
    pub(super) async fn begin(target: &Path) -> Result<Self, Error> {
        if let Ok(there) = fs::metadata(target).await
            && !there.is_file()
            && !there.is_dir()
        {
            let file = fs::File::options().write(true).open(target).await;
            let file = file.map_err(|error| unwritten(target, error))?;
            return Ok(Self { file, target: target.to_owned(), place: Place::There });
        }
        // What a link leads to is replaced, and not the link.
        let target = fs::canonicalize(target).await.unwrap_or_else(|_| target.to_owned());
        let name =
            target.file_name().ok_or_else(|| Error::input(format!("{} names no file", target.display())))?;
        let name = format!(".{}.{:016x}.part", name.to_string_lossy(), fastrand::u64(..));
        let at = target.with_file_name(name);
        let file = fs::File::options().write(true).create_new(true).open(&at).await;
        let file = file.map_err(|error| unwritten(&target, error))?;
        Ok(Self { file, target, place: Place::Beside(at) })
    }

    /// Puts it in place, whole. A file that was there keeps its mode.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        use tokio::io::AsyncWriteExt;
        let put = async {
            self.file.flush().await?;
            let Place::Beside(at) = &self.place else { return Ok(()) };
            if let Ok(there) = fs::metadata(&self.target).await {
                fs::set_permissions(at, there.permissions()).await?;
            }
            fs::rename(at, &self.target).await
        };
        put.await.map_err(|error| unwritten(&self.target, error))
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Place::Beside(at) = &self.place {
            // Once in place it is not there any more.
            let _gone = std::fs::remove_file(at);
        }
    }
}

pub(super) fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::of_file(&format!("{} cannot be written", path.display()), error)
}

pub(super) fn unread(path: &Path, error: io::Error) -> Error {
    Error::of_file(&format!("{} cannot be read", path.display()), error)
}

/// The path that these bytes are on this machine. Where paths are text, bytes that are none are replaced.
#[cfg(unix)]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(&*String::from_utf8_lossy(bytes))
}

/// The bytes of a path of this machine, as a sandbox has it.
#[cfg(unix)]
pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    path.to_string_lossy().replace('\\', "/").into_bytes()
}

/// The mode of a file of this machine.
#[cfg(unix)]
pub(super) fn mode_of(facts: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    facts.permissions().mode() & 0o777
}

#[cfg(not(unix))]
pub(super) fn mode_of(_: &std::fs::Metadata) -> u32 {
    0o644
}

/// Gives a file of this machine the mode that a sandbox tells of. One that is none leaves it as it is, and bits that
/// give somebody else's rights do not come along.
#[cfg(unix)]
pub(super) async fn set_mode(path: &Path, octal: &str) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(mode) = u32::from_str_radix(octal, 8) else { return Ok(()) };
    if !fs::metadata(path).await.is_ok_and(|there| there.is_file()) {
        // What took the content and was there before keeps its own.
        return Ok(());
    }
    let permissions = std::fs::Permissions::from_mode(mode & 0o777);
    fs::set_permissions(path, permissions).await.map_err(|error| unwritten(path, error))
}

#[cfg(not(unix))]
pub(super) async fn set_mode(_: &Path, _: &str) -> Result<(), Error> {
    Ok(())
}
