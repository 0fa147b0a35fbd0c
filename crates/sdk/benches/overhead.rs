//! What a fetch costs above a bare client of the same HTTP library, on loopback, in one run.
//!
//! `cargo bench -p reveille --bench overhead` prints requests a second for each way, with one caller and with sixteen,
//! and the ratio to the bare client. The rounds of all ways alternate, so that what else the machine does hits them
//! alike; a ratio is the median of the ratios of the rounds, and stands with the quartiles around it. Where the system
//! allows it, the server has one processor to itself and the callers another.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client as Bare;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reveille::{Client, Network};
use tokio::runtime::Builder;

const ROUNDS: usize = 60;
/// How many requests a round has in all.
const REQUESTS: usize = 640;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let address = serve();
    pin(0);
    let url = format!("http://{address}");
    let bare: Bare<HttpConnector, Empty<Bytes>> = Bare::builder(TokioExecutor::new()).build_http();
    let client = Client::builder().api_key("key").workspace("acme").run_url(&url).build()?;
    let network = client.sandbox("box").network();
    let path: http::Uri = format!("{url}/acme/sandboxes/box/port/3000/status").parse()?;
    let here = Builder::new_current_thread().enable_all().build()?;

    for callers in [1, 16] {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            rates[0].push(here.block_on(rate(callers, async || bare_request(&bare, &path).await))?);
            rates[1].push(here.block_on(rate(callers, async || fetch(&network).await))?);
            if callers == 1 {
                rates[2].push(rate_of_waits(&network)?);
            }
        }
        let [bare, awaited, waited] = &rates;
        println!("{callers} caller(s), requests a second (ratio to hyper-util: median, and the quartiles)");
        line("hyper-util", bare, bare);
        line("reveille, awaited", awaited, bare);
        if callers == 1 {
            line("reveille, waited for", waited, bare);
        }
    }
    Ok(())
}

async fn fetch(network: &Network) -> Result<(), Failure> {
    network.fetch(3000, "/status").await.map(drop).map_err(Failure::from)
}

fn line(name: &str, rates: &[f64], beside: &[f64]) {
    let ratios = rates.iter().zip(beside).map(|(rate, beside)| rate / beside).collect();
    let [low, middle, high] = quartiles(ratios);
    println!("  {name:22} {:>8.0}   x{middle:.2} ({low:.2} to {high:.2})", quartiles(rates.to_vec())[1]);
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

/// Requests a second in one round of so many callers.
async fn rate(callers: usize, request: impl AsyncFn() -> Result<(), Failure>) -> Result<f64, Failure> {
    try_join_all((0..callers).map(|_| request())).await?;
    let began = Instant::now();
    let each = async || {
        for _ in 0..REQUESTS / callers {
            request().await?;
        }
        Ok::<_, Failure>(())
    };
    try_join_all((0..callers).map(|_| each())).await?;
    Ok(REQUESTS as f64 / began.elapsed().as_secs_f64())
}

/// The same of calls that are waited for on this thread.
fn rate_of_waits(network: &Network) -> Result<f64, Failure> {
    network.fetch(3000, "/status").wait()?;
    let began = Instant::now();
    for _ in 0..REQUESTS {
        network.fetch(3000, "/status").wait()?;
    }
    Ok(REQUESTS as f64 / began.elapsed().as_secs_f64())
}

/// Gives this thread, and those that it starts, one processor.
#[cfg(target_os = "linux")]
fn pin(processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        eprintln!("SKIPPED: not pinned to processor {processor}: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(_: usize) {
    eprintln!("SKIPPED: not pinned, as this is no Linux");
}

async fn bare_request(client: &Bare<HttpConnector, Empty<Bytes>>, uri: &http::Uri) -> Result<(), Failure> {
    let request = Request::get(uri).body(Empty::new())?;
    client.request(request).await?.into_body().collect().await?;
    Ok(())
}

/// A server on a thread of its own that answers everything with a few bytes.
fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || -> std::io::Result<()> {
        pin(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            // Nobody listens only when the benchmark is over.
            let _ = tell.send(listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let answer =
                    service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok")))));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
                );
            }
        })
    });
    told.recv().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
}
