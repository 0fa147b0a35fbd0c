//! The command, once.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::answers::SANDBOX;
use crate::scenario::Operation;

/// How much of what a command says is kept, in bytes; the rest is read and dropped.
const KEPT: usize = 64 * 1024;
/// How long what it left behind may hold its output open.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) error: String,
    pub(crate) took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Success,
    Failure,
    /// It was killed, as it did not end in its time.
    TooLate,
}

/// Runs the command for one operation against a platform.
pub(crate) async fn run(
    command: &[OsString],
    operation: Operation,
    platform: &str,
    limit: Duration,
) -> io::Result<Ended> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut process = Command::new(program);
    process
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    process.env("GRADE_OPERATION", operation.name());
    process.env("BL_API_URL", format!("{platform}/v0")).env("BL_RUN_URL", platform);
    process.env("BL_SANDBOX_BOX_URL", format!("{platform}{SANDBOX}"));
    process.env("BL_API_KEY", "grade").env("BL_WORKSPACE", "acme").env("BL_REGION", "us-pdx-1");
    process.env("BL_DISABLE_H2", "true").env("DO_NOT_TRACK", "1").env_remove("BL_CLIENT_CREDENTIALS");
    #[cfg(unix)]
    process.process_group(0);
    let began = Instant::now();
    let mut child = process.spawn()?;
    let (said, group) = (Said::default(), Group::of(&child));
    let (out, error) = (child.stdout.take(), child.stderr.take());
    let heard = async { tokio::join!(drain(out), said.hear(error)) };
    tokio::pin!(heard);
    let ended = async {
        tokio::select! {
            _ = &mut heard => (child.wait().await, Output::Ended),
            status = child.wait() => (status, Output::Open),
        }
    };
    let ended = tokio::time::timeout(limit, ended).await;
    let took = began.elapsed();
    let how = match ended {
        Err(_) => {
            group.kill();
            // It cannot refuse to end.
            let _ = child.wait().await;
            How::TooLate
        }
        Ok((status, output)) => {
            let is_over = output == Output::Ended || tokio::time::timeout(LEFT_BEHIND, heard).await.is_ok();
            if !is_over {
                group.kill();
            }
            if status?.success() { How::Success } else { How::Failure }
        }
    };
    Ok(Ended { how, error: said.text(), took })
}

/// Whether somebody may still write to what a command wrote to.
#[derive(PartialEq, Eq)]
enum Output {
    Ended,
    Open,
}

/// A command with everything that it started.
struct Group(#[cfg(unix)] Option<rustix::process::Pid>);

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())))
    }

    #[cfg(unix)]
    fn kill(&self) {
        if let Some(group) = self.0 {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self()
    }

    #[cfg(not(unix))]
    fn kill(&self) {}
}

/// The beginning of what a command says, kept as it comes.
#[derive(Default)]
struct Said(Mutex<Vec<u8>>);

impl Said {
    async fn hear(&self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let space = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(&chunk[..read.min(space)]);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

async fn drain(stream: Option<impl AsyncRead + Unpin>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(1..) = stream.read(&mut chunk).await {}
}
