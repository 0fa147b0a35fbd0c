//! Whole directories, in and out.

use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::percent_decode_str;
use reveille_wire::{FilePath, InvalidInput};
use tokio::fs;

use super::Files;
use super::local::{self, Listener, Progress, unread, unwritten};
use crate::call::CallFuture;
use crate::core::runtime::{self, OnFound};
use crate::error::{Error, ErrorKind};

/// How many files are on their way at once when nothing was said.
const AT_ONCE: usize = 8;

/// What became of a directory that was brought from here to there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// How many files arrived.
    pub files: u64,
    /// How many bytes they hold.
    pub bytes: u64,
    /// What was left out, as it is no file: pipes, devices, links to nothing or to directories, and what was gone when its
    /// turn came.
    pub skipped: Vec<PathBuf>,
}

/// Gives a builder of a transfer its setters and its ends.
macro_rules! like_a_transfer {
    ($builder:ty) => {
        impl $builder {
            /// Has so many files on their way at once; 8 when nothing is said.
            pub fn files_at_once(mut self, files: usize) -> Self {
                self.at_once = files.clamp(1, 64);
                self
            }

            /// Calls `hook` when a file has arrived.
            pub fn progress(mut self, hook: impl Fn(Progress) + Send + Sync + 'static) -> Self {
                self.listener = Listener::new(hook);
                self
            }

            /// Waits for it on this thread.
            ///
            /// # Errors
            /// See [`Error`]. What had arrived before stays there.
            #[cfg(feature = "blocking")]
            pub fn wait(self) -> Result<Moved, Error> {
                runtime::wait_beside(self.into_future()).map_err(Error::local)?
            }
        }

        impl IntoFuture for $builder {
            type Output = Result<Moved, Error>;
            type IntoFuture = CallFuture<Moved>;

            fn into_future(self) -> CallFuture<Moved> {
                Box::pin(OnFound::new(runtime::here_for_long, self.run()))
            }
        }
    };
}

like_a_transfer!(UploadDirectory);
like_a_transfer!(DownloadDirectory);

/// A directory that is to be brought into a sandbox; by [`Files::upload_directory`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited, or waited for with `.wait()`"]
pub struct UploadDirectory {
    files: Files,
    from: PathBuf,
    to: Result<FilePath, InvalidInput>,
    at_once: usize,
    listener: Listener,
}

impl UploadDirectory {
    pub(super) fn new(files: Files, from: PathBuf, to: Result<FilePath, InvalidInput>) -> Self {
        Self { files, from, to, at_once: AT_ONCE, listener: Listener::default() }
    }

    async fn run(self) -> Result<Moved, Error> {
        let to = self.to.clone()?;
        let from = self.from.clone();
        let found = tokio::task::spawn_blocking(move || Found::below(&from)).await;
        let found = found.map_err(|error| Error::local(std::io::Error::other(error)))??;
        for directory in &found.directories {
            self.files.make_directory(at(&to, directory).as_bytes()).await?;
        }
        let count = Count::default();
        let sending = stream::iter(found.files).map(|file| {
            let (from, to, count) = (self.from.join(&file.below), at(&to, &file.below), &count);
            let (files, listener) = (&self.files, &self.listener);
            async move {
                let upload = files.upload(to.as_bytes()).mode(file.mode);
                match upload.from_file(&from).await {
                    Ok(bytes) => {
                        listener.tell(Progress::new(count.add(bytes), Some(found.bytes)));
                        Ok(None)
                    }
                    Err(_) if is_gone(&from).await => Ok(Some(from)),
                    Err(error) => Err(error),
                }
            }
        });
        let gone: Vec<Option<PathBuf>> = sending.buffer_unordered(self.at_once).try_collect().await?;
        Ok(count.moved(found.skipped.into_iter().chain(gone.into_iter().flatten()).collect()))
    }
}

/// A directory that is to be brought here; by [`Files::download_directory`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited, or waited for with `.wait()`"]
pub struct DownloadDirectory {
    files: Files,
    from: Result<FilePath, InvalidInput>,
    to: PathBuf,
    at_once: usize,
    listener: Listener,
}

impl DownloadDirectory {
    pub(super) fn new(files: Files, from: Result<FilePath, InvalidInput>, to: PathBuf) -> Self {
        Self { files, from, to, at_once: AT_ONCE, listener: Listener::default() }
    }

    async fn run(self) -> Result<Moved, Error> {
        let count = Count::default();
        let mut skipped = Vec::new();
        let mut left = vec![(self.from.clone()?, self.to.clone())];
        let root = self.from.clone()?;
        while let Some((from, to)) = left.pop() {
            let told = match self.files.list(from.as_bytes()).await {
                Err(error) if error.kind() == ErrorKind::NotFound && from != root => {
                    skipped.push(to);
                    continue;
                }
                told => told?,
            };
            fs::create_dir_all(&to).await.map_err(|error| unwritten(&to, error))?;
            for directory in &told.subdirectories {
                let name = Name::of(&directory.name, directory.encoded_path.as_deref())?;
                left.push((from.join(name.bytes()), to.join(name.as_path())));
            }
            let mut wanted = Vec::new();
            for file in &told.files {
                let name = Name::of(&file.name, file.encoded_path.as_deref())?;
                wanted.push((from.join(name.bytes()), to.join(name.as_path()), file.permissions.clone()));
            }
            let coming = stream::iter(wanted).map(|(from, to, mode)| {
                let (files, count, listener) = (&self.files, &count, &self.listener);
                async move {
                    match files.download(from.as_bytes()).to_file(&to).await {
                        Ok(bytes) => {
                            local::set_mode(&to, &mode).await?;
                            listener.tell(Progress::new(count.add(bytes), None));
                            Ok(None)
                        }
                        Err(error) if is_no_file(&error) => Ok(Some(to)),
                        Err(error) => Err(error),
                    }
                }
            });
            let left_out: Vec<Option<PathBuf>> = coming.buffer_unordered(self.at_once).try_collect().await?;
            skipped.extend(left_out.into_iter().flatten());
        }
        Ok(count.moved(skipped))
    }
}

/// Whether a file of this machine is there no more.
async fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).await.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a listed name turned out to be no file: a link to nothing (404), a pipe or a device (422), or a link to a
/// directory, which is answered with a list.
fn is_no_file(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::NotFound => true,
        ErrorKind::Rejected => error.status().is_some_and(|status| status.as_u16() == 422),
        ErrorKind::Decode => true,
        _ => false,
    }
}

/// The name of something in a directory of a sandbox, which cannot lead out of it.
#[derive(Debug)]
struct Name(Vec<u8>);

impl Name {
    fn of(text: &str, encoded_path: Option<&str>) -> Result<Self, Error> {
        let bytes = match encoded_path {
            Some(encoded) => {
                let path: Vec<u8> = percent_decode_str(encoded).collect();
                path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()
            }
            None => text.as_bytes().to_vec(),
        };
        if matches!(bytes.as_slice(), b"" | b"." | b"..") || bytes.contains(&b'/') || bytes.contains(&0) {
            return Err(Error::input(format!("the sandbox tells of {text:?}, which is no name of a file")));
        }
        Ok(Self(bytes))
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn as_path(&self) -> PathBuf {
        local::path_of(&self.0)
    }
}

fn at(to: &FilePath, below: &Path) -> FilePath {
    if below.as_os_str().is_empty() { to.clone() } else { to.join(local::bytes_of(below)) }
}

/// What has arrived.
#[derive(Debug, Default)]
struct Count {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn add(&self, bytes: u64) -> u64 {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn moved(self, skipped: Vec<PathBuf>) -> Moved {
        Moved { files: self.files.into_inner(), bytes: self.bytes.into_inner(), skipped }
    }
}

/// A file of this machine.
#[derive(Debug)]
struct LocalFile {
    below: PathBuf,
    mode: u32,
}

/// All that is below a directory of this machine.
#[derive(Debug, Default)]
struct Found {
    /// Parents first, the directory itself among them.
    directories: Vec<PathBuf>,
    files: Vec<LocalFile>,
    bytes: u64,
    skipped: Vec<PathBuf>,
}

impl Found {
    fn below(root: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            let path = root.join(&directory);
            let entries = match std::fs::read_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && path != root => {
                    found.skipped.push(path);
                    continue;
                }
                entries => entries.map_err(|error| unread(&path, error))?,
            };
            for entry in entries {
                let entry = entry.map_err(|error| unread(&path, error))?;
                let below = directory.join(entry.file_name());
                let kind = entry.file_type().map_err(|error| unread(&entry.path(), error))?;
                if kind.is_dir() {
                    left.push(below);
                    continue;
                }
                // A link to a file goes as the file.
                match std::fs::metadata(entry.path()) {
                    Ok(facts) if facts.is_file() => {
                        found.bytes += facts.len();
                        found.files.push(LocalFile { below, mode: local::mode_of(&facts) });
                    }
                    _ => found.skipped.push(entry.path()),
                }
            }
            found.directories.push(directory);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for bad in ["", ".", "..", "a/b", "/a", "a\0"] {
            assert!(Name::of(bad, None).is_err(), "{bad:?}");
        }
        assert_eq!(Name::of("a\u{fffd}", Some("%2Fd%2Fa%FF")).unwrap().bytes(), b"a\xff");
        assert!(Name::of("x", Some("%2Fd%2F..")).is_err());
    }
}
