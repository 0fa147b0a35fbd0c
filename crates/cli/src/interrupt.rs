use std::future::Future;
use std::io;

use crate::report::Failure;

/// Listens from now on for somebody who wants this process to end: Ctrl-C, or SIGTERM where there is one. What
/// comes before the future is awaited is not lost.
///
/// # Errors
/// When the system does not let signals be heard.
pub(crate) fn asked_to_end() -> Result<impl Future<Output = ()>, Failure> {
    listen().map_err(|error| Failure::io("signals cannot be heard", &error))
}

#[cfg(unix)]
fn listen() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

#[cfg(windows)]
fn listen() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
