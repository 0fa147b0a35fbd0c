//! How long it takes to freeze and to thaw.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use super::ground::{Ground, Rung, eventually, fresh_name, processes};

const ROUNDS: usize = 50;

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

fn timed(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
