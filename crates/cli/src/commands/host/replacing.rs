//! Asking a host to end and to leave running what runs in its sandboxes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::report::Failure;

/// How long a host may take to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// Asks the host that has this data to let go of it, and waits until it has. Where none has it there is nothing to do.
pub(super) async fn let_go_of(data: &Path) -> Result<(), Failure> {
    let Some(pid) = reveille_host::host_on(data) else { return Ok(()) };
    ask(pid, Signal::USR2).await
}

/// Asks a host to end by a signal, and waits until it has.
pub(super) async fn ask(host: u32, how: Signal) -> Result<(), Failure> {
    let failed = |no: rustix::io::Errno| Failure::io("the host cannot be stopped", &no.into());
    let pid = i32::try_from(host).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new(format!("{host} is no process")))?;
    if how == Signal::USR2 && !listens_to(pid, how) {
        // It would end at once, and take all with it.
        let what = format!("the host, process {host}, is of a version that leaves nothing running");
        return Err(Failure::new(what).next("end it with what runs in its sandboxes: reveille host stop"));
    }
    kill_process(pid, how).map_err(failed)?;
    let began = Instant::now();
    while !is_over(pid) {
        if began.elapsed() > PATIENCE {
            return Err(Failure::new(format!("the host, process {host}, does not end"))
                .next(format!("end it: kill -9 {host}")));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether a process has a handler for a signal (proc_pid_status(5), `SigCgt`).
fn listens_to(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    caught & (1 << (signal.as_raw() - 1)) != 0
}

/// Whether a process has ended, also where nobody has asked how.
fn is_over(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The name before it may hold anything (proc_pid_stat(5)).
    let state = state.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    test_kill_process(pid).is_err() || matches!(state, Some('Z' | 'X'))
}
