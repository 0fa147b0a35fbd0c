//! The native half of the Python package `reveille_sandbox`: calls of the SDK as objects that Python waits for, in a
//! thread or in an event loop. What a Python person sees is written in Python, beside it.
#![forbid(unsafe_code)]

mod answer;
mod bell;
mod body;
mod call;
mod client;
mod error;
mod files;
mod history;
mod previews;
mod processes;
mod response;
mod sandbox;
mod sandboxes;
mod schedules;
mod send;
mod snapshots;
mod storage;
mod terminal;
mod value;

use pyo3::prelude::*;

/// The native half of `reveille_sandbox`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::answer::Answer;
    #[pymodule_export]
    use super::bell::CallingBell;
    #[cfg(unix)]
    #[pymodule_export]
    use super::bell::WatchedBell;
    #[pymodule_export]
    use super::body::BodySender;
    #[pymodule_export]
    use super::call::Call;
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::files::Files;
    #[pymodule_export]
    use super::history::{Attempt, History};
    #[pymodule_export]
    use super::previews::Previews;
    #[pymodule_export]
    use super::processes::Processes;
    #[pymodule_export]
    use super::response::{Response, Streamed};
    #[pymodule_export]
    use super::sandbox::Sandbox;
    #[pymodule_export]
    use super::sandboxes::Sandboxes;
    #[pymodule_export]
    use super::schedules::{Schedules, WorkspaceSchedules};
    #[pymodule_export]
    use super::send::send;
    #[pymodule_export]
    use super::snapshots::{SandboxSnapshots, Snapshots};
    #[pymodule_export]
    use super::storage::{Images, Volumes, WorkspaceDrives};
    #[pymodule_export]
    use super::terminal::Terminal;
    #[pymodule_export]
    use super::value::Values;
}
