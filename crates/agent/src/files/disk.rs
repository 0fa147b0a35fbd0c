//! Work that may wait for a disk, away from the runtime.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use super::owner::as_owner;
use crate::failure::Failure;

/// How much of it goes on at once. A disk that answers to nobody takes these threads and no more.
const AT_ONCE: usize = 64;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE);

/// Does `work` on a thread that may wait, and that makes files as their owner is to be.
pub(crate) async fn io<T, F>(work: F) -> io::Result<T>
where
    F: FnOnce() -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let room = ROOM.acquire().await.map_err(io::Error::other)?;
    let done = tokio::task::spawn_blocking(move || {
        let _room = room;
        as_owner(work)
    });
    done.await.map_err(io::Error::other)?
}

/// Does `work`, which says no in the words of an answer, on a thread that may wait.
pub(crate) async fn work<T, F>(work: F) -> Result<T, Failure>
where
    F: FnOnce() -> Result<T, Failure> + Send + 'static,
    T: Send + 'static,
{
    match io(move || Ok(work())).await {
        Ok(done) => done,
        Err(error) => Err(Failure::broken(format!("the work on the disk broke off: {error}"))),
    }
}

/// Whether somebody still waits for the work. It ends when the [`Caller`] is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Interest(Arc<AtomicBool>);

impl Interest {
    /// Whether to go on.
    pub(crate) fn lasts(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

/// Who waits.
#[derive(Debug)]
pub(crate) struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` that looks up now and then whether anybody still waits for it.
pub(crate) async fn while_wanted<T, F>(long: F) -> Result<T, Failure>
where
    F: FnOnce(&Interest) -> Result<T, Failure> + Send + 'static,
    T: Send + 'static,
{
    let left = Arc::new(AtomicBool::new(false));
    let _caller = Caller(Arc::clone(&left));
    work(move || long(&Interest(left))).await
}
