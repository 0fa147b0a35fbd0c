use std::future::IntoFuture;
use std::time::{Duration, Instant};

use http::Method;
use reveille_wire::{ProcessResponse, ProcessStatus};

use super::{Processes, of};
use crate::call::{Call, CallFuture, Patience};
use crate::core::runtime::{self, OnFound};
use crate::error::{Error, ErrorKind};

/// How long one request waits, in seconds; a gateway may give up on a silent one after a minute.
const ONE_WAIT: u64 = 50;
/// How often a sandbox without a way to wait is asked at first; each pause is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How often it is asked at the least.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A wait for the end of a process; made by [`Processes::wait`]. Nothing is sent until it is awaited.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited, or waited for with `.wait()`"]
pub struct WaitForEnd {
    processes: Processes,
    id: String,
    deadline: Option<Duration>,
}

impl WaitForEnd {
    pub(super) fn new(processes: Processes, id: &str) -> Self {
        Self { processes, id: id.to_owned(), deadline: None }
    }

    /// Ends the wait after this long: it gives how the process stands then.
    pub fn deadline(mut self, most: Duration) -> Self {
        self.deadline = Some(most);
        self
    }

    /// Waits on this thread.
    ///
    /// # Errors
    /// When there is no such process, or the sandbox does not answer.
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<ProcessResponse, Error> {
        runtime::wait_beside(self.run()).map_err(Error::local)?
    }

    async fn run(self) -> Result<ProcessResponse, Error> {
        let until = self.deadline.map(|deadline| Instant::now() + deadline.min(FOR_EVER));
        let left = || until.map(|until| until.saturating_duration_since(Instant::now()));
        loop {
            let seconds = left().map_or(ONE_WAIT, |left| left.as_secs().clamp(1, ONE_WAIT));
            let path = of(&self.id, &format!("/wait?timeout={seconds}"));
            let operation = self.processes.endpoint(Method::GET, path).patience(Patience::Waiting);
            match Call::<ProcessResponse>::json(self.processes.core(), operation).await {
                Ok(process) if process.status != ProcessStatus::Running => return Ok(process),
                Ok(process) if left().is_some_and(|left| left.is_zero()) => return Ok(process),
                Ok(_) => {}
                // A 404 that is no error of the protocol is said of the way, not of the process.
                Err(error) if error.kind() == ErrorKind::NotFound && error.explanation().is_none() => break,
                Err(error) => return Err(error.about(&self.id)),
            }
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let process = self.processes.get(&self.id).await.map_err(|error| error.about(&self.id))?;
            if process.status != ProcessStatus::Running || left().is_some_and(|left| left.is_zero()) {
                return Ok(process);
            }
            tokio::time::sleep(left().map_or(pause, |left| pause.min(left))).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

/// Longer than anybody waits, and short enough for a clock.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl IntoFuture for WaitForEnd {
    type Output = Result<ProcessResponse, Error>;
    type IntoFuture = CallFuture<ProcessResponse>;

    fn into_future(self) -> CallFuture<ProcessResponse> {
        Box::pin(OnFound::new(runtime::here_for_long, self.run()))
    }
}
