use std::fs;

/// How much of all memory counts on top of what a process uses when the kernel chooses which to end, in thousandths.
/// Half of it: what is started here is chosen before the agent, however large that is, and among each other the
/// largest still is.
const EXPENDABLE: &str = "500";

/// Lets the kernel end this process before the agent, where memory runs out. The sandbox then still answers, and can
/// say what became of it. What the process starts from now on has it from there.
pub(crate) fn make_expendable(pid: i32) {
    // Whoever is gone by now needs no memory; where it is forbidden, the largest process is chosen.
    let _written = fs::write(format!("/proc/{pid}/oom_score_adj"), EXPENDABLE);
}
