//! How long it takes to start, to freeze and to thaw, and what a sleeper costs.

use std::fs;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use reveille_wire::SandboxName;

use super::ground::{Ground, Rung, eventually, fresh_name, processes};

const ROUNDS: usize = 50;
/// How many sleep at once, unless `REVEILLE_SLEEPERS` says otherwise, and what each of them may cost, in KiB.
const SLEEPERS: usize = 1000;
const MOST: u64 = 4 << 10;

/// Prints medians for trees of three sizes.
pub(crate) fn freeze_and_thaw(rung: &Rung) -> Result<(), Failed> {
    for size in [1, 10, 100] {
        let script = "i=1; while [ $i -lt SIZE ]; do sleep 1000 & i=$((i+1)); done\n";
        let ground = Ground::new(rung, &script.replace("SIZE", &size.to_string()));
        let name = fresh_name("measured");
        ground.create(&name);
        eventually("all run", || processes(&name).len() == size);
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            times[0].push(timed(|| ground.sleep(&name)));
            times[1].push(timed(|| ground.wake(&name)));
        }
        let [freeze, thaw] = times.map(median);
        println!("{rung}, {size} processes: freeze {freeze:?}, thaw {thaw:?}");
    }
    Ok(())
}

/// Prints how long a sandbox takes from the command until its agent has answered, and the memory that each holds
/// asleep: its own, and its part of what it shares with others.
pub(crate) fn start_and_sleep(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::of_agents(rung);
    let names: Vec<_> = (0..ROUNDS).map(|_| fresh_name("started")).collect();
    let mut times: Vec<_> = names.iter().map(|name| timed(|| drop(ground.create(name)))).collect();
    names.iter().for_each(|name| ground.sleep(name));
    let kibibytes: u64 = names.iter().flat_map(processes).map(proportional).sum();
    times.sort_unstable();
    let (p50, p95) = (times[ROUNDS / 2], times[ROUNDS * 95 / 100]);
    println!("{rung}: started in {p50:?} (p95 {p95:?}), {} KiB each asleep", kibibytes / ROUNDS as u64);
    Ok(())
}

/// Many sandboxes that sleep at once cost little each, and the last of them starts as the first did.
pub(crate) fn many_sleepers(rung: &Rung) -> Result<(), Failed> {
    let many = std::env::var("REVEILLE_SLEEPERS").ok().and_then(|many| many.parse().ok()).unwrap_or(SLEEPERS);
    let ground = Ground::of_agents(rung);
    let all = fresh_name("sleeper");
    let names: Vec<_> =
        (0..many).map(|number| SandboxName::new(format!("{all}-{number}")).unwrap()).collect();
    let times: Vec<_> = names
        .iter()
        .map(|name| {
            let started = timed(|| drop(ground.create(name)));
            (started, timed(|| ground.sleep(name)))
        })
        .collect();
    let tenth = many.div_ceil(10);
    let started =
        |times: &[(Duration, Duration)]| median(times.iter().map(|(started, _)| *started).collect());
    let (first, last) = (started(&times[..tenth]), started(&times[many - tenth..]));
    let slept = median(times.iter().map(|(_, slept)| *slept).collect());
    let each = processes(&all).into_iter().map(proportional).sum::<u64>() / many as u64;
    let woken = median(names.iter().map(|name| timed(|| ground.wake(name))).collect());
    println!(
        "{rung}, {many} sleepers: {each} KiB each; the first tenth started in {first:?}, the last in {last:?}; \
         sleep {slept:?}, wake {woken:?}"
    );
    assert!(each < MOST, "{each} KiB each");
    let deleted = timed(|| names.iter().for_each(|name| ground.delete(name)));
    println!("all deleted in {deleted:?}");
    assert_eq!(processes(&all), [0; 0]);
    Ok(())
}

/// What a process has in memory, in KiB, where what several share counts in parts.
fn proportional(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    kibibytes(&text, "Pss:")
}

fn kibibytes(text: &str, what: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn timed(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
