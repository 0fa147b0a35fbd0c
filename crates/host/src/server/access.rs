//! The access log: one line of JSON for each request, written when its answer has ended.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, Version};
use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// How many lines wait for a slow disk before some are left out.
const BACKLOG: usize = 4096;

/// Where lines go. Nobody waits for them: what cannot be written is counted, and told in a line of its own.
#[derive(Debug)]
pub(crate) struct AccessLog {
    lines: SyncSender<Vec<u8>>,
    missed: Arc<AtomicU64>,
}

/// One request and its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Access<'a> {
    #[serde(serialize_with = "stamp")]
    pub(super) at: SystemTime,
    pub(super) client: SocketAddr,
    #[serde(serialize_with = "shown")]
    pub(super) method: &'a Method,
    /// Without its query, where tokens stand.
    pub(super) path: &'a str,
    #[serde(serialize_with = "debugged")]
    pub(super) version: Version,
    /// None where the connection was reset.
    #[serde(serialize_with = "number")]
    pub(super) status: Option<StatusCode>,
    /// Of the request's body.
    pub(super) received_bytes: u64,
    /// Of the answer's body.
    pub(super) sent_bytes: u64,
    /// Whether the answer came to its end.
    pub(super) whole: bool,
    #[serde(serialize_with = "millis")]
    pub(super) took_ms: Duration,
    pub(super) id: &'a str,
}

impl AccessLog {
    /// Opens the log at a path, or on stdout for `-`.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, Error> {
        let no = |source: io::Error| {
            let message = format!("the access log {} cannot be written: {source}", path.display());
            Error::new(ErrorKind::Settings, message).with_source(source)
        };
        let mut place = if path == Path::new("-") { Place::Stdout } else { Place::file(path).map_err(no)? };
        let (lines, waiting) = sync_channel(BACKLOG);
        let missed = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&missed);
        let run = move || write_all(&mut place, &waiting, &told);
        thread::Builder::new().name("access log".to_owned()).spawn(run).map_err(no)?;
        Ok(Arc::new(Self { lines, missed }))
    }

    pub(super) fn write(&self, access: &Access<'_>) {
        let Ok(mut line) = serde_json::to_vec(access) else { return };
        line.push(b'\n');
        if self.lines.try_send(line).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What is written to.
enum Place {
    Stdout,
    /// A file by its name: one that was moved away is followed by a new one.
    File {
        path: PathBuf,
        file: File,
    },
}

impl Place {
    fn file(path: &Path) -> io::Result<Self> {
        let file = File::options().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self::File { path: path.to_owned(), file })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Self::File { path, file } = self {
            let found = std::fs::metadata(&*path).map(|found| (found.dev(), found.ino())).ok();
            let open = file.metadata()?;
            if found != Some((open.dev(), open.ino())) {
                *self = Self::file(&path.clone())?;
            }
        }
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines).and_then(|()| stdout.flush())
            }
            Self::File { file, .. } => file.write_all(lines),
        }
    }
}

fn write_all(place: &mut Place, waiting: &Receiver<Vec<u8>>, missed: &AtomicU64) {
    let mut fails = false;
    while let Ok(mut lines) = waiting.recv() {
        let mut count = 1;
        for more in waiting.try_iter().take(BACKLOG) {
            lines.extend(more);
            count += 1;
        }
        let lost = missed.swap(0, Ordering::Relaxed);
        if lost > 0 {
            lines.extend(format!("{{\"missed\":{lost}}}\n").into_bytes());
        }
        let written = place.write(&lines);
        if let Err(error) = &written {
            missed.fetch_add(count + lost, Ordering::Relaxed);
            if !fails {
                tracing::warn!(%error, "the access log cannot be written; the host goes on without it");
            }
        }
        fails = written.is_err();
    }
}

fn stamp<S: serde::Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_rfc3339_micros(*at))
}

fn shown<S: serde::Serializer>(method: &Method, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(method.as_str())
}

fn debugged<S: serde::Serializer>(version: &Version, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{version:?}"))
}

#[expect(clippy::ref_option, reason = "serde hands it over so")]
fn number<S: serde::Serializer>(status: &Option<StatusCode>, to: S) -> Result<S::Ok, S::Error> {
    status.map(|status| status.as_u16()).serialize(to)
}

fn millis<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((took.as_secs_f64() * 1e6).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes lines to a place, one after the other, and gives what stands in the file then.
    fn written(place: &mut Place, missed: &AtomicU64, path: &Path, lines: &[&str]) -> String {
        for line in lines {
            let (to, waiting) = sync_channel(1);
            to.send(format!("{line}\n").into_bytes()).unwrap();
            drop(to);
            write_all(place, &waiting, missed);
        }
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn what_could_not_be_written_is_counted_and_told_with_the_next_line() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("logs/access.log");
        std::fs::create_dir(root.path().join("logs")).unwrap();
        let (mut place, missed) = (Place::file(&path).unwrap(), AtomicU64::new(0));
        assert_eq!(written(&mut place, &missed, &path, &["1"]), "1\n");
        std::fs::remove_dir_all(root.path().join("logs")).unwrap();
        assert_eq!(written(&mut place, &missed, &path, &["2", "3"]), "");
        std::fs::create_dir(root.path().join("logs")).unwrap();
        assert_eq!(written(&mut place, &missed, &path, &["4", "5"]), "4\n{\"missed\":2}\n5\n");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_refused_at_once() {
        let refused = AccessLog::open(Path::new("/nowhere/access.log")).unwrap_err();
        assert!(refused.to_string().contains("/nowhere/access.log"), "{refused}");
    }
}
