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

/// Listens from now on for somebody who wants this process to end and to leave running what it has started: SIGUSR2.
///
/// # Errors
/// When the system does not let signals be heard.
#[cfg(target_os = "linux")]
pub(crate) fn asked_to_let_go() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = signal(SignalKind::user_defined2())
        .map_err(|error| Failure::io("signals cannot be heard", &error))?;
    Ok(async move {
        asked.recv().await;
    })
}

#[cfg(windows)]
fn listen() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Tells of changes of the window's size.
#[derive(Debug)]
pub(crate) struct WindowChanges {
    #[cfg(unix)]
    told: tokio::signal::unix::Signal,
}

impl WindowChanges {
    /// # Errors
    /// When the system does not let signals be heard.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Failure> {
        let kind = tokio::signal::unix::SignalKind::window_change();
        let told = tokio::signal::unix::signal(kind);
        Ok(Self { told: told.map_err(|error| Failure::io("signals cannot be heard", &error))? })
    }

    /// The next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        if self.told.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// There are none.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        std::future::pending().await
    }
}
