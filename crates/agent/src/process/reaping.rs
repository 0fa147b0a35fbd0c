//! Noticing the ends of processes.

use std::io;
use std::sync::PoisonError;

use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use tokio::signal::unix::{SignalKind, signal};

use super::Processes;
use super::standing::{End, Next};

impl Processes {
    /// Notices the ends of processes, as the kernel tells of them. Never ends.
    ///
    /// # Errors
    /// When the system does not tell of them.
    pub(crate) async fn reap(self) -> io::Result<()> {
        let mut ends = signal(SignalKind::child())?;
        loop {
            let births = self.births().await;
            self.reap_now();
            drop(births);
            if ends.recv().await.is_none() {
                return Ok(());
            }
        }
    }

    fn reap_now(&self) {
        let _still = self.still().read().unwrap_or_else(PoisonError::into_inner);
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let exit = status.exit_status().map(End::Exit);
                    if let Some(end) = exit.or(status.terminating_signal().map(End::Signal)) {
                        self.ended(Pid::from_raw(pid.as_raw_pid()), end);
                    }
                }
                Ok(None) | Err(Errno::CHILD) => return,
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "the ends of processes are not told");
                    return;
                }
            }
        }
    }

    /// Takes note of an end.
    fn ended(&self, pid: Pid, end: End) {
        let Some(process) = self.known().runs_as(pid) else { return self.tell_end_of(pid.as_raw(), end) };
        let next = process.ended(end);
        let weight = process.weight();
        let mut known = self.known();
        known.ended(pid);
        match next {
            Next::Over => known.over(&process, weight),
            Next::Restart(pause) => self.restart_after(pause, process),
        }
    }
}
