//! A bell for loops that watch file descriptors.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// What an event loop watches: its file descriptor can be read once a call has ended that was to ring it.
///
/// Whoever rings needs no interpreter, and so waits for none: a loop that is busy holds no call up.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct WatchedBell {
    ended: Mutex<Vec<Py<PyAny>>>,
    ringing: UnixStream,
    heard: UnixStream,
}

impl WatchedBell {
    /// Says that what `waits` stands for has ended.
    pub(super) fn ring(&self, waits: Py<PyAny>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let was_silent = ended.is_empty();
        ended.push(waits);
        drop(ended);
        if was_silent {
            // A full socket rings already; a closed one has nobody who would listen.
            let _ = (&self.ringing).write(&[0]);
        }
    }
}

#[pymethods]
impl WatchedBell {
    #[new]
    fn new() -> io::Result<Self> {
        let (ringing, heard) = UnixStream::pair()?;
        ringing.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Self { ended: Mutex::default(), ringing, heard })
    }

    fn fileno(&self) -> i32 {
        self.heard.as_raw_fd()
    }

    /// What has ended since the last time, and silences the bell.
    fn answer(&self) -> io::Result<Vec<Py<PyAny>>> {
        let mut rung = [0; 64];
        loop {
            match (&self.heard).read(&mut rung) {
                Ok(64) => {}
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
