//! Ending everything, before the agent itself ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Processes;
use super::child::Process;

/// How long processes have to stop by themselves.
const TO_STOP: Duration = Duration::from_secs(1);
/// How long what is left is killed, again and again, as an orphan can have an orphan that can have one: longer than it
/// takes on a machine that is busy with much else.
const TO_DIE: Duration = Duration::from_secs(5);
/// How long the kernel has to tell of the ends of those that were killed, in each round.
const ROUND: Duration = Duration::from_millis(10);

impl Processes {
    /// Asks every process to stop, and kills what has not after a second, with everything that was left behind.
    pub(crate) async fn end_all(&self) {
        let all = self.all();
        for process in &all {
            // What does not run needs no stopping.
            let _ended = process.stop();
        }
        let stopped = tokio::time::timeout(TO_STOP, over(&all)).await;
        for process in all.iter().filter(|_| stopped.is_err()) {
            let _ended = process.kill();
        }
        // What does not end in time is stuck in the kernel, where nothing ends it.
        let _gone = tokio::time::timeout(TO_DIE, kill_what_is_left()).await;
    }
}

async fn kill_what_is_left() {
    loop {
        // What left its group by `setsid` comes to this process when its parent has ended, and not before.
        let left = descendants();
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _gone = kill(pid, Signal::SIGKILL);
        }
        tokio::time::sleep(ROUND).await;
    }
}

async fn over(all: &[Arc<Process>]) {
    for process in all {
        process.over().await;
    }
}

/// Every process that began in this one or in one that did, and has not been reaped.
fn descendants() -> Vec<Pid> {
    let mut found = BTreeSet::new();
    let mut parents = vec![std::process::id().cast_signed()];
    while let Some(parent) = parents.pop() {
        for child in children(parent) {
            if found.insert(child) {
                parents.push(child);
            }
        }
    }
    found.into_iter().map(Pid::from_raw).collect()
}

fn children(parent: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .collect()
}
