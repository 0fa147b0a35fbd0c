//! What a fetch costs above a bare client of the same HTTP library that sends the same bytes, on loopback, in one run.
//!
//! `cargo bench -p reveille --bench overhead` prints requests a second for each way, and the ratio to the bare client
//! driven the same way. The rounds of all ways alternate, so that what else the machine does hits them alike; a ratio
//! is the median of the ratios of the rounds, and stands with the quartiles around it. The server is a process of its
//! own; where the system allows it, it has one processor to itself and the callers another. Where `valgrind` is there,
//! the instructions and allocations of one call stand beside that, which no other load changes.

mod counts;
#[path = "../../../retry/benches/readiness/plot.rs"]
mod plot;
mod server;
mod ways;

use plot::{Axis, Curve, Plot};
use ways::{Bare, Client, Ours, Runtime};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 60;
/// How many requests a round has in all.
const REQUESTS: usize = 1_600;
const CALLERS: [usize; 2] = [1, 16];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve"] => server::serve(),
        ["count", address, name, requests] => counts::child(address, name, requests.parse()?),
        [] => {
            let server = server::Process::start()?;
            rates(server.address())?;
            counts::print(server.address())
        }
        ["--plot", file] => {
            let server = server::Process::start()?;
            Ok(std::fs::write(file, over_callers(server.address())?.draw())?)
        }
        _ => Err("it takes nothing but --plot FILE".into()),
    }
}

/// What a call costs over the number of callers, on one thread.
fn over_callers(address: &str) -> Result<Plot, Failure> {
    server::pin(&[0]);
    let (bare, ours) = (Bare::new(address)?, Ours::new(address)?);
    let mut curves =
        ["hyper-util", "reveille"].map(|name| Curve { name: name.to_owned(), points: Vec::new() });
    for callers in (0..=6).map(|power| 1_usize << power) {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            rates[0].push(rate(&bare, Runtime::Here, callers)?);
            rates[1].push(rate(&ours, Runtime::Here, callers)?);
        }
        for (curve, rates) in curves.iter_mut().zip(rates) {
            // The fastest quarter: the machine was busiest with us.
            curve.points.push((callers as f64, 1e6 / quartiles(rates)[2]));
        }
    }
    let marks = |values: &[u32], unit: &str| {
        values.iter().map(|value| (f64::from(*value), format!("{value}{unit}"))).collect()
    };
    let x = Axis { title: "callers at once, on one thread", marks: marks(&[1, 2, 4, 8, 16, 32, 64], "") };
    let y =
        Axis { title: "time for one call, all callers together", marks: marks(&[5, 10, 20, 50, 100], " us") };
    Ok(Plot { x, y, curves: curves.into() })
}

fn rates(address: &str) -> Result<(), Failure> {
    for (runtime, processors) in
        [(Runtime::Here, &[0][..]), (Runtime::Threads, &[0, 1]), (Runtime::None, &[0, 1])]
    {
        server::pin(processors);
        for callers in CALLERS {
            let (bare, ours) = (Bare::new(address)?, Ours::new(address)?);
            let mut rates = [Vec::new(), Vec::new()];
            for round in 0..ROUNDS {
                let measure = |way: usize| match way {
                    0 => rate(&bare, runtime, callers),
                    _ => rate(&ours, runtime, callers),
                };
                // Who goes first changes, as the first may find another machine than the second.
                for way in [round % 2, 1 - round % 2] {
                    rates[way].push(measure(way)?);
                }
            }
            let [bare, ours] = &rates;
            println!("{callers} caller(s), {runtime}: requests a second (ratio: median, and the quartiles)");
            line("hyper-util", bare, bare);
            line("reveille", ours, bare);
        }
    }
    Ok(())
}

fn rate(client: &impl Client, runtime: Runtime, callers: usize) -> Result<f64, Failure> {
    Ok(REQUESTS as f64 / runtime.run(client, callers, REQUESTS)?.as_secs_f64())
}

fn line(name: &str, rates: &[f64], beside: &[f64]) {
    let ratios = rates.iter().zip(beside).map(|(rate, beside)| rate / beside).collect();
    let [low, middle, high] = quartiles(ratios);
    println!("  {name:12} {:>8.0}   x{middle:.2} ({low:.2} to {high:.2})", quartiles(rates.to_vec())[1]);
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
