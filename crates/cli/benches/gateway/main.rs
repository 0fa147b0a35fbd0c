//! What a request through the gateway costs, beside nginx as a proxy of one hop before the same app, in one run.
//!
//! `cargo bench -p reveille-cli --bench gateway` starts a local host with one sandbox, an app in it and the same app
//! outside, and nginx before that one, where it is installed. The load is made here, the same for both. Rounds
//! alternate, so that what else the machine does hits all alike; a ratio is the median of those of the rounds. Beside
//! requests a second it says how much time of a processor the proxy takes for one, which other load changes least.
//! Then the calls of sixteen callers of the SDK, beside the official Python client where it is installed; and how long
//! it takes from standby to the first byte, on a new connection.
//!
//! `--plot DIR` draws how what it costs grows with callers, bytes and sandboxes, in place of all that.

#[cfg(target_os = "linux")]
mod app;
#[cfg(target_os = "linux")]
mod first_byte;
#[cfg(target_os = "linux")]
mod growth;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod nginx;
#[cfg(target_os = "linux")]
#[path = "../beside/peer.rs"]
mod peer;
#[cfg(target_os = "linux")]
#[path = "../../../retry/benches/readiness/plot.rs"]
mod plot;

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
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use reveille::Sandbox;
    use tokio::runtime::Builder;

    use crate::app::{self, App};
    use crate::first_byte;
    use crate::growth;
    use crate::load::{Load, Proxy};
    use crate::nginx::Nginx;
    use crate::peer::{Host, Peer};

    pub(crate) type Failure = Box<dyn std::error::Error>;

    const ROUNDS: usize = 9;
    const ROUND: Duration = Duration::from_millis(500);
    const CONNECTIONS: [usize; 3] = [1, 16, 64];
    const CALLERS: usize = 16;
    const CALLS: usize = 1_600;

    pub(crate) fn main() -> Result<(), Failure> {
        let arguments: Vec<String> =
            std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
        if let [serve, port] = &arguments[..]
            && serve == "serve"
        {
            return app::serve(port.parse()?);
        }
        let plots = match &arguments[..] {
            [] => None,
            [plot, directory] if plot == "--plot" => Some(PathBuf::from(directory)),
            _ => return Err("it takes nothing but --plot DIR".into()),
        };
        let host = Host::start()?;
        let client = host.client()?;
        client.sandboxes().create("box").wait()?;
        let sandbox = client.sandbox("box");
        app::start_inside(&sandbox)?;
        if let Some(directory) = plots {
            let outside = App::start()?;
            let nginx = Nginx::before(outside.port())?;
            return growth::draw(&directory, &host, &client, nginx.as_ref());
        }
        proxies(&host)?;
        callers(&host, &sandbox)?;
        first_byte::print(&host, &client)
    }

    fn proxies(host: &Host) -> Result<(), Failure> {
        let outside = App::start()?;
        let nginx = Nginx::before(outside.port())?;
        if nginx.is_none() {
            println!("SKIPPED: there is no nginx here to stand beside");
        }
        let beside = nginx.as_ref().map(|nginx| Proxy::new(nginx.address(), "/", &[], nginx.workers()));
        for (title, path) in [("an app's small answer", app::PATH), ("GET /health", "/health")] {
            let path = format!("/{}/sandboxes/box{path}", host.workspace);
            let key = format!("Bearer {}", host.key);
            let ours =
                Proxy::new(host.address()?, &path, &[("X-Blaxel-Authorization", &key)], vec![host.pid()]);
            for connections in CONNECTIONS {
                println!("{title}, {connections} connection(s)");
                side_by_side(&ours, beside.as_ref(), connections)?;
            }
        }
        Ok(())
    }

    fn side_by_side(ours: &Proxy, beside: Option<&Proxy>, connections: usize) -> Result<(), Failure> {
        let (mut our_loads, mut their_loads) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our_loads.push(ours.load(connections, ROUND)?);
            if let Some(beside) = beside {
                their_loads.push(beside.load(connections, ROUND)?);
            }
        }
        say("nginx", &their_loads, &their_loads);
        say("gateway", &our_loads, &their_loads);
        Ok(())
    }

    fn say(name: &str, loads: &[Load], beside: &[Load]) {
        if loads.is_empty() {
            return;
        }
        let of = |figure: fn(&Load) -> f64| {
            let ratios = loads.iter().zip(beside).map(|(load, beside)| figure(load) / figure(beside));
            let (value, ratio) = (median(loads.iter().map(figure)), median(ratios));
            if ratio.is_nan() { format!("{value:8.0}       ") } else { format!("{value:8.0} (x{ratio:.2})") }
        };
        println!(
            "  {name:8} {} a second   p50 {} us   p99 {} us   {} us of a processor each",
            of(Load::rate),
            of(|load| load.quantile(0.5)),
            of(|load| load.quantile(0.99)),
            of(Load::work)
        );
    }

    fn callers(host: &Host, sandbox: &Sandbox) -> Result<(), Failure> {
        let mut peer = Peer::start(host)?;
        if peer.is_none() {
            println!("SKIPPED: there is no official Python client here (conformance/install brings it)");
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        for callers in [1, CALLERS] {
            let (mut ours, mut ratios) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let rate = CALLS as f64 / runtime.block_on(fetch(sandbox, callers))?.as_secs_f64();
                ours.push(rate);
                if let Some(peer) = &mut peer {
                    // It is slow enough for fewer.
                    let calls = CALLS / 10;
                    let took = peer.measured(&format!("fetch-{callers}"), calls as u64)?;
                    ratios.push(rate * took / calls as f64);
                }
            }
            let ratio = median(ratios.into_iter());
            let beside =
                if ratio.is_nan() { String::new() } else { format!("   x{ratio:.1} of the Python client") };
            println!("{callers} caller(s) of `fetch` {:8.0} a second{beside}", median(ours.into_iter()));
        }
        Ok(())
    }

    async fn fetch(sandbox: &Sandbox, callers: usize) -> Result<Duration, Failure> {
        let began = Instant::now();
        let caller = || {
            let network = sandbox.network();
            tokio::spawn(async move {
                for _ in 0..CALLS / callers {
                    network.fetch(app::PORT, "/").await?.error_for_status()?;
                }
                Ok::<_, reveille::Error>(())
            })
        };
        let all: Vec<_> = (0..callers).map(|_| caller()).collect();
        for caller in all {
            caller.await??;
        }
        Ok(began.elapsed())
    }

    /// Not a number where there is none.
    pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
