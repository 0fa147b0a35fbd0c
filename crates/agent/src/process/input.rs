//! What a process reads: nothing, or what requests write to it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::unix::pipe;

/// How long a process may leave everything unread before a write to it is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The standard input of a process.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pipe: Mutex<Option<Arc<pipe::Sender>>>,
    /// Held while something is written: what one request says stays in one piece.
    turn: tokio::sync::Mutex<()>,
}

/// Why something could not be written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// There is no pipe, or nobody reads from it any more.
    Closed,
    /// It was not read in time.
    Unread,
    /// The system refused.
    Failed(io::Error),
}

impl Input {
    /// Takes the pipe of a process that has just been started.
    pub(crate) fn open(&self, pipe: Option<OwnedFd>) {
        *self.place() = pipe.and_then(|pipe| match pipe::Sender::from_owned_fd(pipe) {
            Ok(pipe) => Some(Arc::new(pipe)),
            Err(error) => {
                tracing::warn!(%error, "standard input cannot be written");
                None
            }
        });
    }

    /// Writes all of `bytes`. Each time that the process reads something it has `patience` again; without, it has all
    /// the time that it wants.
    pub(crate) async fn write(&self, mut bytes: &[u8], patience: Option<Duration>) -> Result<(), NotWritten> {
        let _turn = self.turn.lock().await;
        while !bytes.is_empty() {
            let pipe = self.pipe().ok_or(NotWritten::Closed)?;
            let ready = pipe.ready(Interest::WRITABLE);
            match patience {
                Some(patience) => {
                    tokio::time::timeout(patience, ready).await.map_err(|_| NotWritten::Unread)?
                }
                None => ready.await,
            }
            .map_err(NotWritten::Failed)?;
            match pipe.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(NotWritten::Closed),
                Err(error) => return Err(NotWritten::Failed(error)),
            }
        }
        Ok(())
    }

    /// Lets the process read to the end.
    pub(crate) fn close(&self) {
        *self.place() = None;
    }

    /// The pipe, while it is open.
    pub(crate) fn pipe(&self) -> Option<Arc<pipe::Sender>> {
        self.place().clone()
    }

    fn place(&self) -> MutexGuard<'_, Option<Arc<pipe::Sender>>> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    fn opened() -> (Input, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let input = Input::default();
        input.open(Some(writer.into()));
        (input, reader)
    }

    #[tokio::test]
    async fn what_nobody_reads_is_given_up() {
        let (input, _unread) = opened();
        let more_than_a_pipe_holds = vec![b'x'; 1 << 20];
        assert!(matches!(input.write(&more_than_a_pipe_holds, Some(SOON)).await, Err(NotWritten::Unread)));
    }

    #[tokio::test]
    async fn what_nobody_can_read_is_refused() {
        let (input, reader) = opened();
        drop(reader);
        assert!(matches!(input.write(b"x", Some(SOON)).await, Err(NotWritten::Closed)));
        input.close();
        assert!(matches!(input.write(b"x", Some(SOON)).await, Err(NotWritten::Closed)));
    }
}
