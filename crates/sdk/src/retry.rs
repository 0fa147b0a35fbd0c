//! The rules of this crate for a caller's own operation.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use reveille_retry::{Fault, FaultKind, Head, Replay, RetryPolicy, Session, StopReason, Tick, Verdict};

use crate::core::runtime::{self, OnRuntime};
use crate::error::{Error, ErrorKind};

/// What an operation of the caller's saw when it failed.
#[derive(Clone, Copy, Debug)]
pub enum Saw<'a> {
    /// An answer of this status, with these headers where they are at hand.
    Status(StatusCode, Option<&'a HeaderMap>),
    /// No usable answer.
    Fault(Fault),
    /// Something that a repeat would meet again.
    Final,
}

/// An error that can say what it saw, so that [`retry`] and [`retry_blocking`] can decide.
///
/// ```
/// use reveille::{Evidence, Fault, FaultKind, Saw};
///
/// enum MyError {
///     Dropped,
///     Refused,
/// }
///
/// impl Evidence for MyError {
///     fn saw(&self) -> Saw<'_> {
///         match self {
///             Self::Dropped => Saw::Fault(Fault::unknown(FaultKind::Reset)),
///             Self::Refused => Saw::Final,
///         }
///     }
/// }
/// ```
pub trait Evidence {
    /// What it saw.
    fn saw(&self) -> Saw<'_>;
}

/// An error of this crate has been retried already, where that could help: then it is final here, so that two
/// loops do not multiply. One of a call with [`no_retry`](crate::Call::no_retry) is not.
impl Evidence for Error {
    fn saw(&self) -> Saw<'_> {
        if self.may_have_run() {
            return Saw::Final;
        }
        match (self.kind(), self.stop_reason()) {
            (ErrorKind::Interrupted, None) => Saw::Fault(Fault::answered(FaultKind::BodyCut)),
            (ErrorKind::Unavailable, Some(StopReason::RetriesOff)) => {
                match (self.last_fault(), self.status()) {
                    (Some(fault), _) => Saw::Fault(fault),
                    (None, Some(status)) => Saw::Status(status, self.headers()),
                    (None, None) => Saw::Final,
                }
            }
            _ => Saw::Final,
        }
    }
}

impl Evidence for io::Error {
    fn saw(&self) -> Saw<'_> {
        use io::ErrorKind as Io;
        let kind = match self.kind() {
            Io::ConnectionRefused => FaultKind::Refused,
            Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe => FaultKind::Reset,
            Io::UnexpectedEof | Io::NotConnected => FaultKind::Closed,
            Io::TimedOut => FaultKind::ReadTimeout,
            Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown => FaultKind::Unreachable,
            _ => return Saw::Final,
        };
        Saw::Fault(Fault::unknown(kind))
    }
}

impl Evidence for StatusCode {
    fn saw(&self) -> Saw<'_> {
        Saw::Status(*self, None)
    }
}

/// Runs an operation until it succeeds, or the policy says that it is enough. The operation has to be a read:
/// whoever hands it in says that it may run again.
///
/// ```
/// use std::io;
/// use std::time::Duration;
/// use reveille::RetryPolicy;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let policy = RetryPolicy::builder().base(Duration::from_millis(1)).jitter(Duration::ZERO).build()?;
/// let mut runs = 0;
/// let value = reveille::retry(policy, || {
///     runs += 1;
///     let result = if runs < 3 { Err(io::Error::from(io::ErrorKind::ConnectionReset)) } else { Ok(7) };
///     async { result }
/// })
/// .await?;
/// assert_eq!((value, runs), (7, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The last error of the operation.
pub async fn retry<T, E, F, R>(policy: RetryPolicy, operation: F) -> Result<T, E>
where
    E: Evidence,
    F: FnMut() -> R,
    R: Future<Output = Result<T, E>>,
{
    repeat(policy, operation, async |wait| {
        match runtime::here() {
            Ok(place) => OnRuntime::new(place, async move { tokio::time::sleep(wait).await }).await,
            // A machine that gives no timer has no business in hurrying either.
            Err(_) => std::thread::sleep(wait),
        }
    })
    .await
}

/// The loop, with a way to let time pass.
async fn repeat<T, E, F, R>(
    policy: RetryPolicy,
    mut operation: F,
    sleep: impl AsyncFn(Duration),
) -> Result<T, E>
where
    E: Evidence,
    F: FnMut() -> R,
    R: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    let now = || Tick::ZERO.after(start.elapsed());
    let mut session = Session::new(&policy, Replay::Read, fastrand::u64(..));
    let mut last = None;
    loop {
        if let (Err(_), Some(error)) = (session.begin(now()), last.take()) {
            return Err(error);
        }
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let verdict = judge(&mut session, now(), &error);
        let Verdict::Retry { wait, .. } = verdict else { return Err(error) };
        sleep(wait).await;
        last = Some(error);
    }
}

/// The same for an operation that blocks.
///
/// ```
/// use std::io;
/// use reveille::RetryPolicy;
///
/// let path = "/proc/self/cmdline";
/// let read = reveille::retry_blocking(RetryPolicy::default(), || std::fs::read(path));
/// # Ok::<(), io::Error>(())
/// ```
///
/// # Errors
/// The last error of the operation.
#[cfg(feature = "blocking")]
pub fn retry_blocking<T, E, F>(policy: RetryPolicy, mut operation: F) -> Result<T, E>
where
    E: Evidence,
    F: FnMut() -> Result<T, E>,
{
    let operation = || std::future::ready(operation());
    pollster::block_on(repeat(policy, operation, async |wait| std::thread::sleep(wait)))
}

fn judge(session: &mut Session, now: Tick, error: &impl Evidence) -> Verdict {
    match error.saw() {
        Saw::Status(status, headers) => {
            session.on_head(now, &Head::new(status, headers.unwrap_or(&HeaderMap::new())))
        }
        Saw::Fault(fault) => session.on_fault(now, fault),
        Saw::Final => Verdict::Stop(StopReason::Permanent),
    }
}
