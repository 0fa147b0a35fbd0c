//! What a sandbox's features cost with this SDK, beside the official Python client, over the same host in one run.
//!
//! `cargo bench -p reveille-cli --bench beside` starts a local host with one sandbox. The client is looked for in
//! `REVEILLE_PYTHON`, in `target/conformance` (where `conformance/install` puts it) and by the name `python3`. Rounds of
//! both alternate, so that what else the machine does hits them alike; a ratio is the median of those of the rounds.

#[cfg(target_os = "linux")]
mod peer;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: the local host runs on Linux");
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), linux::Failure> {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::{Duration, Instant};

    use reveille::Sandbox;

    use crate::peer::{Host, Peer};

    pub(crate) type Failure = Box<dyn std::error::Error>;

    const ROUNDS: usize = 5;
    const PAGE: usize = 5_500;
    const LARGE: u64 = 256 << 20;

    pub(crate) fn main() -> Result<(), Failure> {
        let host = Host::start()?;
        let client = host.client()?;
        client.sandboxes().create("box").wait()?;
        let sandbox = client.sandbox("box");
        let text = "x".repeat(PAGE);
        sandbox.files().write_text("/tmp/page", text).wait()?;
        let mut peer = Peer::start(&host)?;
        if peer.is_none() {
            println!("SKIPPED: there is no official Python client here (conformance/install brings it)");
        }
        for (what, number, title) in [
            ("exec", 40, "exec of `true`, waited for"),
            ("read", 200, "a file of 5.5 kB read"),
            ("upload", LARGE, "256 MiB up"),
            ("download", LARGE, "256 MiB down"),
        ] {
            let mut ours = Vec::new();
            let mut ratios = Vec::new();
            for _ in 0..ROUNDS {
                let took = measured(&sandbox, what, number)?.as_secs_f64();
                ours.push(took);
                if let Some(peer) = &mut peer {
                    ratios.push(peer.measured(what, number)? / took);
                }
            }
            say(title, what, number, ours, ratios);
        }
        Ok(())
    }

    fn measured(sandbox: &Sandbox, what: &str, number: u64) -> Result<Duration, Failure> {
        let files = sandbox.files();
        let content = if what == "upload" { vec![0; usize::try_from(number)?] } else { Vec::new() };
        let began = Instant::now();
        match what {
            "exec" => {
                for _ in 0..number {
                    sandbox.processes().exec("true").wait()?;
                }
            }
            "read" => {
                for _ in 0..number {
                    files.read_text("/tmp/page").wait()?;
                }
            }
            "upload" => drop(files.write("/tmp/large", content).wait()?),
            _ => assert_eq!(files.read("/tmp/large").wait()?.len() as u64, number),
        }
        Ok(began.elapsed())
    }

    fn say(title: &str, what: &str, number: u64, ours: Vec<f64>, ratios: Vec<f64>) {
        let took = median(ours);
        let figure = match (what, u32::try_from(number)) {
            ("exec" | "read", Ok(times)) => format!("{:.2} ms each", took * 1e3 / f64::from(times)),
            _ => format!("{took:.2} s"),
        };
        if ratios.is_empty() {
            println!("{title:28} {figure:>14}");
        } else {
            println!("{title:28} {figure:>14}   x{:.1} as fast as the Python client", median(ratios));
        }
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    }
}
