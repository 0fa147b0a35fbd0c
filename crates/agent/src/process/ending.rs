//! Ending everything, before the agent itself ends.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Processes;
use super::child::Process;

/// How long processes have to stop by themselves.
const TO_STOP: Duration = Duration::from_secs(1);
/// How long the kernel has to tell of the ends of those that were killed.
const TO_DIE: Duration = Duration::from_millis(500);

impl Processes {
    /// Asks every process to stop, and kills what has not after a second, with everything that was left behind.
    pub(crate) async fn end_all(&self) {
        let all = self.all();
        for process in &all {
            // What does not run needs no stopping.
            let _ended = process.stop();
        }
        if over_within(TO_STOP, &all).await && children().is_empty() {
            return;
        }
        for process in &all {
            let _ended = process.kill();
        }
        for child in children() {
            let _gone = kill(child, Signal::SIGKILL);
        }
        over_within(TO_DIE, &all).await;
    }
}

async fn over_within(limit: Duration, all: &[Arc<Process>]) -> bool {
    let over = async {
        for process in all {
            process.over().await;
        }
    };
    tokio::time::timeout(limit, over).await.is_ok()
}

/// The processes whose parent is this one now: those that it started, and orphans that came to it.
fn children() -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .map(Pid::from_raw)
        .collect()
}
