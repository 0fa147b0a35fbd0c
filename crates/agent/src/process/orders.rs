//! What is asked of a process when it is started.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{env, iter};

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

/// How a process may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Whether the sandbox stays awake meanwhile.
    pub(crate) keep_alive: bool,
    /// After which time it is killed.
    pub(crate) limit: Option<Duration>,
}

impl Orders {
    /// Where it runs.
    pub(crate) fn place(&self) -> String {
        match self.working_dir.as_str() {
            "" => env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            given => given.to_owned(),
        }
    }
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

impl From<&ProcessRequest> for Terms {
    fn from(request: &ProcessRequest) -> Self {
        let limit = match (request.keep_alive, request.timeout) {
            // As far as a clock can follow it.
            (_, Some(seconds @ 1..)) => Some(Duration::from_secs(seconds.cast_unsigned()).min(LONGEST)),
            (false, _) | (true, Some(0)) => None,
            (true, _) => Some(KEEP_AWAKE),
        };
        Self { keep_alive: request.keep_alive, limit }
    }
}
