use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::status::found;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::interruptible;

/// How long a host may take to end all that it has started.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(screen: &Screen) -> Result<Exit, Failure> {
    interruptible(async {
        let (host, _) = found().await?;
        let failed = |no: rustix::io::Errno| Failure::io("the host cannot be stopped", &no.into());
        let pid = i32::try_from(host.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new(format!("{} is no process", host.pid)))?;
        kill_process(pid, Signal::TERM).map_err(failed)?;
        let began = Instant::now();
        while !is_over(pid) {
            if began.elapsed() > PATIENCE {
                return Err(Failure::new(format!("the host, process {}, does not end", host.pid))
                    .next(format!("end it: kill -9 {}", host.pid)));
            }
            tokio::time::sleep(LOOK).await;
        }
        screen.host_stopped(&host)?;
        Ok(Exit::Done)
    })
}

/// Whether a process has ended, also where nobody has asked how.
fn is_over(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The name before it may hold anything (proc_pid_stat(5)).
    let state = state.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    test_kill_process(pid).is_err() || matches!(state, Some('Z' | 'X'))
}
