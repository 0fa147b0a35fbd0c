//! What the word of a sandbox gains, beside the schedule without it, over real sockets and in one run.
//!
//! `cargo bench -p reveille --bench readiness` prints how late calls arrive after the window, how many requests that
//! takes, and whether the targets are met. The gateway is a fault server that answers 503 without `Retry-After` until
//! its window is over. A loaded machine makes everything later.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use reveille::{Client, Error, StopReason};
use reveille_faults::{FaultServer, Script, Step};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The windows, in milliseconds.
const WINDOWS: [u64; 8] = [25, 100, 300, 500, 1_000, 2_000, 3_000, 4_000];
/// How often each is tried; the median counts.
const TRIES: usize = 15;
const CALLERS: usize = 100;
const MUTATIONS: usize = 200;

#[derive(Clone, Copy)]
enum Schedule {
    /// Each call goes by itself.
    Seed,
    /// One looks, the others wait for the word.
    Word,
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut targets = Targets::default();
    runtime.block_on(async {
        one_caller(&mut targets).await?;
        many_callers(&mut targets).await?;
        mutations(&mut targets).await
    })?;
    targets.print()
}

fn server(window: Duration) -> Result<FaultServer, Failure> {
    let refusing = Step::status(503).lasting(window);
    Ok(FaultServer::start(Script::new().step(refusing).then(Step::ok("awake")))?)
}

fn client(server: &FaultServer, schedule: Schedule) -> Result<Client, Error> {
    let builder = Client::builder().api_key("key").workspace("acme").run_url(server.url());
    match schedule {
        Schedule::Seed => builder.no_probe().build(),
        Schedule::Word => builder.build(),
    }
}

async fn one_caller(targets: &mut Targets) -> Result<(), Failure> {
    println!("one caller: lateness after the window (median of {TRIES}), and requests in all (most)");
    println!("{:>10} {:>12} {:>12} {:>8} {:>8} {:>8}", "window", "seed", "word", "ratio", "seed", "word");
    let mut ratios = Vec::new();
    for window in WINDOWS.map(Duration::from_millis) {
        let (seed, seeds) = lateness(window, Schedule::Seed).await?;
        let (word, words) = lateness(window, Schedule::Word).await?;
        let ratio = word.as_secs_f64() / seed.as_secs_f64();
        println!(
            "{:>7} ms {:>9.1} ms {:>9.1} ms {ratio:>8.3} {seeds:>8} {words:>8}",
            window.as_millis(),
            seed.as_secs_f64() * 1e3,
            word.as_secs_f64() * 1e3,
        );
        let most = if window == Duration::from_millis(WINDOWS[0]) { 0.1 } else { 0.5 };
        targets.check(format!("{} ms: at most {most} of the seed's", window.as_millis()), ratio <= most);
        targets.check(format!("{} ms: at most 16 requests", window.as_millis()), words <= 16);
        ratios.push(ratio);
    }
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    println!("geometric mean of the ratios: {mean:.3}\n");
    targets.check("geometric mean at most 0.25".to_owned(), mean <= 0.25);
    Ok(())
}

/// The median of how long after the window a read was answered, and the most requests that one took.
async fn lateness(window: Duration, schedule: Schedule) -> Result<(Duration, usize), Failure> {
    let tries = (0..TRIES).map(|_| async move {
        let server = server(window)?;
        let client = client(&server, schedule)?;
        let began = Instant::now();
        client.sandbox("box").network().fetch(3000, "/").await?.error_for_status()?;
        let late = began.elapsed().saturating_sub(window);
        Ok::<_, Failure>((late, server.arrivals().len()))
    });
    let mut tries = try_join_all(tries).await?;
    tries.sort_unstable();
    let most = tries.iter().map(|(_, requests)| *requests).max().unwrap_or_default();
    Ok((tries[TRIES / 2].0, most))
}

async fn many_callers(targets: &mut Targets) -> Result<(), Failure> {
    println!("{CALLERS} callers, a window of 2 s: refused requests, and from the first answer to the last");
    let mut refusals = Vec::new();
    for (name, schedule) in [("seed", Schedule::Seed), ("word", Schedule::Word)] {
        let server = server(Duration::from_secs(2))?;
        let client = client(&server, schedule)?;
        let began = Instant::now();
        let reads = (0..CALLERS).map(|_| async {
            client.sandbox("box").network().fetch(3000, "/").await?.error_for_status()?;
            Ok::<_, Error>(began.elapsed())
        });
        let ended = try_join_all(reads).await?;
        let refused = server.arrivals().iter().filter(|arrival| arrival.treatment.contains("503")).count();
        let first = ended.iter().min().copied().unwrap_or_default();
        let spread = ended.iter().max().copied().unwrap_or_default().saturating_sub(first);
        println!("{name:>10} {refused:>8} {:>9.1} ms", spread.as_secs_f64() * 1e3);
        refusals.push((refused, spread));
    }
    let [(seed, _), (word, spread)] = refusals[..] else { return Ok(()) };
    println!();
    targets.check("refused: at most 1/40 of the seed's".to_owned(), word * 40 <= seed);
    targets.check("all within 50 ms of the first".to_owned(), spread <= Duration::from_millis(50));
    Ok(())
}

async fn mutations(targets: &mut Targets) -> Result<(), Failure> {
    let mut done = 0;
    for _ in 0..MUTATIONS / 20 {
        let tries = (0..20).map(|_| async {
            let server = server(Duration::from_millis(300))?;
            let post =
                client(&server, Schedule::Word)?.sandbox("box").network().fetch(3000, "/orders").post();
            let ended = post.body("tea").into_future().await;
            let is_done = ended.is_ok_and(|page| page.status().is_success() && !page.may_have_run());
            Ok::<_, Failure>(is_done && server.arrivals_of("POST").len() == 1)
        });
        for one in join_all(tries).await {
            done += usize::from(one?);
        }
    }
    println!("mutations from standby, a window of 300 ms: {done} of {MUTATIONS} done, each arrived once");
    targets.check(format!("{MUTATIONS} of {MUTATIONS} mutations arrive once"), done == MUTATIONS);
    let server = server(Duration::from_secs(600))?;
    let post = client(&server, Schedule::Word)?.sandbox("box").network().fetch(3000, "/orders").post();
    let Err(error) = post.await else { return Err("a mutation was answered in its window".into()) };
    println!("a window that is longer than the budget: {error}\n");
    let unsent = error.stop_reason() == Some(StopReason::NoWord)
        && error.is_unavailable()
        && !error.may_have_run()
        && server.arrivals_of("POST").is_empty();
    targets.check("a longer window: unavailable, was not sent".to_owned(), unsent);
    Ok(())
}

/// What is to be reached, and whether it was.
#[derive(Default)]
struct Targets(Vec<(String, bool)>);

impl Targets {
    fn check(&mut self, what: String, is_met: bool) {
        self.0.push((what, is_met));
    }

    fn print(&self) -> Result<(), Failure> {
        for (what, is_met) in &self.0 {
            println!("{} {what}", if *is_met { "met   " } else { "MISSED" });
        }
        if self.0.iter().all(|(_, is_met)| *is_met) { Ok(()) } else { Err("a target was missed".into()) }
    }
}
