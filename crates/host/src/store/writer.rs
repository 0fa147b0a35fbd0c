//! The one thread that changes the store.
//!
//! What waits when it looks is written together: many changes cost one wait for the disk, and are done in the
//! order in which they were handed in.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::database::{self, Change, Database, Documents, Purpose};
use super::lock::Lock;
use super::reserve::Reserve;
use crate::error::{Error, ErrorKind};

/// The most changes that are written together.
const TOGETHER: usize = 256;

/// Why a change is not on disk. Nothing of it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// The disk is full.
    Full,
    /// The host is stopping.
    Closed,
    /// The disk, or the form of the document, is not as it should be.
    Failed(String),
}

/// What to do when a change is on disk, or is not. Runs on the writer's thread.
type Done = Box<dyn FnOnce(Result<(), Unwritten>) + Send>;

/// Something that is to be written, as a whole or not at all.
pub(super) struct Job {
    changes: Vec<Change>,
    done: Done,
}

/// Where a writer writes.
#[derive(Debug)]
pub(super) struct Place {
    /// The file that holds the documents.
    pub(super) store: PathBuf,
    /// The file whose place is given up when the disk is full.
    pub(super) reserve: PathBuf,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Opens the store and starts the thread. The lock is held until the thread has ended.
    pub(super) fn start(place: Place, lock: Lock) -> Result<(Self, Documents), Error> {
        let (jobs, waiting) = channel();
        let (tell, told) = channel();
        let Place { store, reserve } = place;
        let damaged = store.clone();
        let run = move || {
            let (database, found) = match Database::open(store) {
                Ok(opened) => opened,
                Err(error) => return drop(tell.send(Err(error))),
            };
            // Somebody waits for it; they can be gone only where the host is.
            let _ = tell.send(Ok(found));
            let mut desk = Desk { database, reserve: Reserve::take(reserve) };
            desk.work(&waiting);
            drop(desk);
            drop(lock);
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(run).map_err(|source| {
            Error::new(ErrorKind::Data, "no thread for the store can be started").with_source(source)
        })?;
        // A file that is damaged where nobody expects it can end the thread.
        let broken =
            || Err(database::unreadable(&damaged, redb::Error::Corrupted("it broke off".to_owned())));
        let found = told.recv().unwrap_or_else(|_| broken())?;
        Ok((Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) }, found))
    }

    /// Hands changes in that are made together. `done` hears of their end, whatever it is.
    pub(super) fn submit(
        &self,
        changes: Vec<Change>,
        done: impl FnOnce(Result<(), Unwritten>) + Send + 'static,
    ) {
        let job = Job { changes, done: Box::new(done) };
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match &*jobs {
            Some(jobs) => jobs.send(job).err().map(|refused| refused.0),
            None => Some(job),
        };
        drop(jobs);
        if let Some(job) = refused {
            (job.done)(Err(Unwritten::Closed));
        }
    }

    /// Takes nothing more, and waits until what was handed in is written and the file is closed.
    pub(super) async fn close(&self) {
        let Some(thread) = self.hang_up() else { return };
        let (tell, told) = oneshot::channel();
        thread::spawn(move || {
            wait_for(thread);
            // Whoever closed it may have gone away.
            let _ = tell.send(());
        });
        // The message is lost only where the runtime ends first.
        let _ = told.await;
    }

    fn hang_up(&self) -> Option<JoinHandle<()>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(thread) = self.hang_up() else { return };
        // The last who knew of it can be what the thread itself lets go of.
        if thread.thread().id() != thread::current().id() {
            wait_for(thread);
        }
    }
}

fn wait_for(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("the store's thread broke off; this is a mistake in the host");
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("changes", &self.changes).finish_non_exhaustive()
    }
}

/// What the thread works with.
struct Desk {
    database: Database,
    reserve: Reserve,
}

impl Desk {
    fn work(&mut self, waiting: &Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            let mut jobs = vec![first];
            jobs.extend(waiting.try_iter().take(TOGETHER - 1));
            self.write(jobs);
        }
    }

    fn write(&mut self, jobs: Vec<Job>) {
        let all = jobs.iter().flat_map(|job| &job.changes);
        match self.database.commit(all) {
            Ok(()) => {
                self.reserve.take_again();
                jobs.into_iter().for_each(|job| (job.done)(Ok(())));
            }
            // One by one: a job that fails must not take its neighbours with it.
            Err(_) => {
                for Job { changes, done } in jobs {
                    done(self.write_one(&changes));
                }
            }
        }
    }

    fn write_one(&mut self, changes: &[Change]) -> Result<(), Unwritten> {
        let error = match self.database.commit(changes) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !database::is_full(&error) {
            tracing::error!(%error, "the store could not be written");
            return Err(Unwritten::Failed(error.to_string()));
        }
        if changes.iter().all(|change| change.purpose == Purpose::Keeps) {
            return Err(Unwritten::Full);
        }
        self.reserve.give_up();
        self.database.commit(changes).map_err(|_| Unwritten::Full)
    }
}
