//! How a process stands.

use std::time::{Duration, SystemTime};

use reveille_wire::ProcessStatus;
use serde::{Deserialize, Serialize};

use super::orders::{Keep, Orders};

/// How long what failed rests before it is started again, as at the vendor's server: what it waited for may be there
/// then, and it can be stopped meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// How a process stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The process that runs for it now: none before a restart and after the end.
    pub(crate) running: Option<i32>,
    asked: Asked,
    /// When it was over, in seconds since 1970.
    pub(crate) completed_at: Option<u64>,
    pub(crate) exit_code: i32,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) restart_count: i64,
    pub(crate) keep_alive: bool,
    /// When it has kept the sandbox awake for long enough, in milliseconds since 1970.
    expires_at: Option<u64>,
}

/// What a caller has asked of a process that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// To stop. Whether it does is up to it.
    Stop,
    /// To be killed.
    Kill,
}

/// How one run of a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// What comes after the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it is over.
    Over,
    /// It is started again after this pause.
    Restart(Duration),
}

impl Standing {
    /// How what runs as `running` stands at its start.
    pub(crate) fn at_start(running: Option<i32>, keep: Keep) -> Self {
        let expires_at = match keep {
            Keep::AwakeFor(limit) => {
                let at = since_1970().saturating_add(limit).as_millis();
                Some(u64::try_from(at).unwrap_or(u64::MAX))
            }
            Keep::Not | Keep::Awake => None,
        };
        Self {
            running,
            asked: Asked::Nothing,
            completed_at: None,
            exit_code: 0,
            signal: None,
            restart_count: 0,
            keep_alive: keep != Keep::Not,
            expires_at,
        }
    }

    /// In the words of the platform. One that was asked to stop runs until it has stopped.
    pub(crate) fn status(&self) -> ProcessStatus {
        match (self.is_over(), self.asked) {
            (false, _) => ProcessStatus::Running,
            (true, Asked::Stop) => ProcessStatus::Stopped,
            (true, Asked::Kill) => ProcessStatus::Killed,
            (true, Asked::Nothing) if self.exit_code == 0 => ProcessStatus::Completed,
            (true, Asked::Nothing) => ProcessStatus::Failed,
        }
    }

    /// Whether nothing will change any more.
    pub(crate) fn is_over(&self) -> bool {
        self.completed_at.is_some()
    }

    /// Whether it waits for being started again.
    pub(crate) fn wants_restart(&self) -> bool {
        !self.is_over() && self.running.is_none()
    }

    /// How long until it has kept the sandbox awake for long enough.
    pub(crate) fn expires_in(&self) -> Option<Duration> {
        let at = Duration::from_millis(self.expires_at?);
        Some(at.saturating_sub(since_1970()))
    }

    /// Notes what a caller asked for. One that has nothing running has done so at once.
    pub(crate) fn ask(&mut self, asked: Asked) {
        self.asked = self.asked.max(asked);
        if self.running.is_none() {
            self.finish();
        }
    }

    /// Notes the end of a run, and what comes after it.
    pub(crate) fn ended(&mut self, end: End, orders: &Orders) -> Next {
        self.running = None;
        (self.exit_code, self.signal) = match end {
            End::Exit(code) => (code, None),
            End::Signal(signal) => (-1, Some(signal)),
        };
        let may = orders.max_restarts < 0 || self.restart_count < orders.max_restarts;
        let failed = self.asked == Asked::Nothing && self.exit_code != 0;
        if !(failed && orders.restart_on_failure && may) {
            self.finish();
            return Next::Over;
        }
        Next::Restart(PAUSE)
    }

    /// Notes that `pid` runs for it now.
    pub(crate) fn restarted(&mut self, pid: i32) {
        self.restart_count += 1;
        (self.running, self.exit_code, self.signal) = (Some(pid), 0, None);
    }

    /// Notes that it could not be started again.
    pub(crate) fn not_restarted(&mut self) {
        (self.exit_code, self.signal) = (-1, None);
        self.finish();
    }

    fn finish(&mut self) {
        self.completed_at = Some(since_1970().as_secs());
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
