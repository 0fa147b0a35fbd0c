//! How late calls arrive after a window, and how many requests that takes, for schedules side by side.
//!
//! `cargo bench -p reveille-retry --bench readiness` prints the tables; with `--plot FILE` it also draws lateness
//! over the length of the window. It runs on virtual time, with fixed seeds, so that every run prints the same.

mod plot;

use plot::{Axis, Curve, Plot};
#[path = "../../tests/readiness/world.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod world;

use std::time::Duration;

use reveille_retry::{ReadinessPolicy, Tick};
use world::{End, Plan, Record, Server, play};

/// How often each window is tried, with other seeds each time.
const TRIES: u64 = 51;
/// How many windows stand for all of them.
const SHARES: u32 = 23;
/// The windows that tables have a column for, in milliseconds.
const WINDOWS: [u64; 8] = [25, 100, 300, 500, 1_000, 2_000, 3_000, 4_000];

/// A way to wait.
struct Way {
    name: &'static str,
    policy: Option<ReadinessPolicy>,
}

fn ways() -> Vec<Way> {
    let standard = ReadinessPolicy::new();
    let ms = Duration::from_millis;
    let way = |name, policy| Way { name, policy };
    vec![
        way("each by its own schedule", None),
        way("probe: 10 ms, x2, 500 ms", Some(standard)),
        way("probe: 10 ms, x1.5, 500 ms", Some(standard.growth(150))),
        way("probe: 10 ms, x2, 250 ms", Some(standard.cap(ms(250)))),
        way("probe: 10 ms, x2, 1 s", Some(standard.cap(ms(1_000)))),
        way("probe: every 100 ms", Some(standard.first(ms(100)).cap(ms(100)))),
        way("probe: every 10 ms", Some(standard.first(ms(10)).cap(ms(10)))),
    ]
}

/// What a way costs at one window.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Median over all calls that were answered, in milliseconds.
    late: f64,
    /// Of the last call, median over tries.
    last: f64,
    requests: f64,
    refused: f64,
}

fn cost(way: &Way, callers: u64, window: Duration) -> Cost {
    let (mut late, mut last, mut requests, mut refused) = (vec![], vec![], vec![], vec![]);
    for seed in 0..TRIES {
        let plans: Vec<Plan> = (0..callers).map(|caller| Plan::read(seed * 1_000 + caller)).collect();
        let record = play(&Server::resuming(window), &plans, way.policy);
        let each = lateness(&record, window);
        last.push(each.iter().copied().fold(0.0, f64::max));
        late.extend(each);
        requests.push(record.requests() as f64);
        refused.push(record.refused as f64);
    }
    Cost { late: median(late), last: median(last), requests: median(requests), refused: median(refused) }
}

/// The means over windows of every length, log-uniform from 10 ms to 5 s.
fn cost_of_any(way: &Way, callers: u64) -> Cost {
    let costs: Vec<Cost> =
        (0..u64::from(SHARES)).map(|share| cost(way, callers, any_window(share as f64))).collect();
    let mean = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
    Cost {
        late: mean(|cost| cost.late),
        last: mean(|cost| cost.last),
        requests: mean(|cost| cost.requests),
        refused: mean(|cost| cost.refused),
    }
}

/// The window at a share of the logarithmic range, off every round number.
fn any_window(share: f64) -> Duration {
    let share = (share + 0.37) / f64::from(SHARES);
    Duration::from_secs_f64(0.01 * 500_f64.powf(share))
}

fn lateness(record: &Record, window: Duration) -> Vec<f64> {
    let answered = record.stories.iter().filter(|story| story.end == End::Delivered);
    answered.map(|story| story.ended.since(Tick::ZERO.after(window)).as_secs_f64() * 1e3).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn main() -> std::io::Result<()> {
    let ways = ways();
    for callers in [1, 10, 100] {
        println!("\n{callers} caller(s): ms late, median (requests in all)");
        print!("{:30}", "window, ms");
        WINDOWS.iter().for_each(|window| print!("{window:>13}"));
        println!("{:>13}", "any, mean");
        for way in &ways {
            print!("{:30}", way.name);
            for window in WINDOWS {
                let cost = cost(way, callers, Duration::from_millis(window));
                print!("{:>13}", format!("{:.0} ({:.0})", cost.late, cost.requests));
            }
            let any = cost_of_any(way, callers);
            println!("{:>13}", format!("{:.0} ({:.0})", any.late, any.requests));
        }
    }
    claims(&ways);
    match std::env::args().skip_while(|argument| argument != "--plot").nth(1) {
        Some(file) => std::fs::write(file, drawing(&ways).draw()),
        None => Ok(()),
    }
}

/// What the design promises, as ratios.
fn claims(ways: &[Way]) {
    let [seed, probe, ..] = ways else { return };
    let ratios: Vec<f64> = WINDOWS
        .iter()
        .map(|window| {
            let window = Duration::from_millis(*window);
            cost(probe, 1, window).late / cost(seed, 1, window).late
        })
        .collect();
    let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64;
    let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    println!(
        "\none caller, lateness beside its own schedule: {}; geometric mean {:.2}",
        shown.join(" "),
        mean.exp()
    );
    let window = Duration::from_secs(2);
    let (alone, together) = (cost(seed, 100, window), cost(probe, 100, window));
    println!(
        "a hundred callers, window of 2 s: {:.0} refused requests in place of {:.0}; the last one {:.0} ms late",
        together.refused, alone.refused, together.last
    );
}

/// Lateness over the window, log-uniform from 10 ms to 5 s.
fn drawing(ways: &[Way]) -> Plot {
    let marks =
        |marks: &[(f64, &str)]| marks.iter().map(|(value, text)| (*value, (*text).to_owned())).collect();
    Plot {
        x: Axis {
            title: "length of the window",
            marks: marks(&[(10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (5_000.0, "5 s")]),
        },
        y: Axis {
            title: "how late one read arrives after it",
            marks: marks(&[
                (1.0, "1 ms"),
                (10.0, "10 ms"),
                (100.0, "100 ms"),
                (1_000.0, "1 s"),
                (3_000.0, "3 s"),
            ]),
        },
        curves: curves(ways),
    }
}

fn curves(ways: &[Way]) -> Vec<Curve> {
    let windows: Vec<f64> = (0..=54).map(|step| 10.0 * 10_f64.powf(f64::from(step) / 20.0)).collect();
    ways.iter()
        .take(2)
        .map(|way| Curve {
            name: way.name.to_owned(),
            points: windows
                .iter()
                .map(|window| (*window, cost(way, 1, Duration::from_secs_f64(window / 1e3)).late.max(1.0)))
                .collect(),
        })
        .collect()
}
