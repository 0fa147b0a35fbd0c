//! Directories of sandboxes that are laid out ahead, so that a start need not wait for some fifty files to be made.
//!
//! They are as good as what a start lays out itself, which looks at all of it again: one that a host has left the next
//! one uses.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::ground::Ground;
use super::remove::remove_directory;

/// How many there are at rest: enough for a few that are asked for together.
const READY: usize = 4;
/// What one is called that is not whole.
const UNFINISHED: &str = "unfinished";

/// What is ready.
#[derive(Debug)]
pub(super) struct Prepared {
    directory: PathBuf,
    stock: Mutex<Stock>,
}

#[derive(Debug)]
struct Stock {
    ready: Vec<PathBuf>,
    filling: Option<JoinHandle<()>>,
    /// No more is laid out.
    closed: bool,
}

impl Prepared {
    /// Opens the directory, which is made where it is missing.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        remove_directory(&directory.join(UNFINISHED))?;
        let entries = fs::read_dir(&directory)?;
        let ready = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        let stock = Mutex::new(Stock { ready, filling: None, closed: false });
        Ok(Self { directory, stock })
    }

    /// Puts one where a directory is to be; whether that is so now.
    pub(super) fn take(&self, place: &Path) -> bool {
        let Some(ready) = self.stock().ready.pop() else { return false };
        match fs::rename(&ready, place) {
            Ok(()) => true,
            Err(_) => {
                // Something is there: it is kept.
                self.stock().ready.push(ready);
                false
            }
        }
    }

    /// Has what is missing laid out, without anybody waiting for it.
    pub(super) fn fill(ground: &Arc<Ground>) {
        let mut stock = ground.prepared.stock();
        let is_busy = stock.filling.as_ref().is_some_and(|filling| !filling.is_finished());
        if ground.own_root.is_none() || is_busy || stock.closed || stock.ready.len() >= READY {
            return;
        }
        let ground = Arc::clone(ground);
        let filling = thread::Builder::new().name("prepared".to_owned()).spawn(move || {
            while ground.prepared.is_to_be_filled() {
                if let Err(error) = ground.prepared.lay_out(&ground) {
                    tracing::debug!(%error, "no directory can be laid out ahead");
                    return;
                }
            }
        });
        // Who gets no thread lays out what they need themselves.
        stock.filling = filling.ok();
    }

    /// Lays out no more, and waits for what was begun.
    pub(super) fn close(&self) {
        let filling = {
            let mut stock = self.stock();
            stock.closed = true;
            stock.filling.take()
        };
        if let Some(filling) = filling.filter(|filling| filling.thread().id() != thread::current().id()) {
            // What it could not do is done by who needs it.
            filling.join().ok();
        }
    }

    fn is_to_be_filled(&self) -> bool {
        let stock = self.stock();
        !stock.closed && stock.ready.len() < READY
    }

    fn lay_out(&self, ground: &Ground) -> io::Result<()> {
        let Some(own) = &ground.own_root else { return Ok(()) };
        let unfinished = self.directory.join(UNFINISHED);
        remove_directory(&unfinished)?;
        fs::create_dir_all(unfinished.join("files"))?;
        own.lay_out(&unfinished, &ground.drives)?;
        let ready = self.directory.join(format!("{:016x}", fastrand::u64(..)));
        fs::rename(&unfinished, &ready)?;
        self.stock().ready.push(ready);
        Ok(())
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_ready_goes_where_nothing_is_and_stays_where_something_is() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("prepared");
        fs::create_dir_all(directory.join("one/files")).unwrap();
        fs::create_dir_all(directory.join(UNFINISHED).join("half")).unwrap();
        let prepared = Prepared::open(directory.clone()).unwrap();
        assert!(!directory.join(UNFINISHED).exists());
        let kept = place.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "kept").unwrap();
        assert!(!prepared.take(&kept));
        assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "kept");
        let new = place.path().join("new");
        assert!(prepared.take(&new) && new.join("files").is_dir());
        assert!(!prepared.take(&place.path().join("another")), "there are no more");
    }
}
