//! What is asked of a process when it is started.

use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;

use reveille_wire::ProcessRequest;
use serde::{Deserialize, Serialize};

/// How long a process may keep the sandbox awake when nothing was said: ten minutes, as on the platform.
const KEEP_AWAKE: Duration = Duration::from_secs(600);
/// The longest time that is told apart from one without an end: a hundred years. Clocks bear it being added to now.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) working_dir: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) restart_on_failure: bool,
    pub(crate) max_restarts: i64,
    #[serde(default)]
    pub(crate) stdin: bool,
}

/// Whether a process keeps the sandbox awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It does not.
    Not,
    /// It does, for as long as it runs.
    Awake,
    /// It does, and is killed after this time.
    AwakeFor(Duration),
}

impl From<ProcessRequest> for Orders {
    fn from(request: ProcessRequest) -> Self {
        let letter = || fastrand::alphanumeric().to_ascii_lowercase();
        let random = || format!("proc-{}", iter::repeat_with(letter).take(8).collect::<String>());
        Self {
            name: request.name.filter(|name| !name.is_empty()).unwrap_or_else(random),
            command: request.command,
            working_dir: request.working_dir.unwrap_or_default(),
            env: request.env,
            restart_on_failure: request.restart_on_failure,
            max_restarts: request.max_restarts.unwrap_or(0),
            stdin: request.stdin,
        }
    }
}

impl From<&ProcessRequest> for Keep {
    fn from(request: &ProcessRequest) -> Self {
        match (request.keep_alive, request.timeout) {
            (false, _) => Self::Not,
            (true, Some(0)) => Self::Awake,
            (true, Some(seconds @ 1..)) => Self::AwakeFor(seconds_of(seconds)),
            (true, _) => Self::AwakeFor(KEEP_AWAKE),
        }
    }
}

/// A number of seconds that a caller gave, as far as a clock can follow it.
pub(crate) fn seconds_of(given: i64) -> Duration {
    Duration::from_secs(given.max(0).cast_unsigned()).min(LONGEST)
}
