//! What a fetch costs above a bare client of the same HTTP library, on loopback, in one run.
//!
//! `cargo bench -p reveille` prints the median time of a request for each, and the ratio to the bare client.
//! The rounds of all contenders alternate, so that what else the machine does hits them alike.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client as Bare;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reveille::Client;

const ROUNDS: usize = 40;
const REQUESTS: u32 = 100;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let address = serve();
    let url = format!("http://{address}");
    let build = || Bare::builder(TokioExecutor::new()).build_http();
    // Two, as a connection lives on the runtime that made it.
    let (bare, bare_elsewhere): (Bare<HttpConnector, Empty<Bytes>>, _) = (build(), build());
    let client = Client::builder().api_key("key").workspace("acme").run_url(&url).build()?;
    let network = client.sandbox("box").network();
    let path: http::Uri = format!("{url}/acme/sandboxes/box/port/3000/status").parse()?;
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let elsewhere = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;

    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(here.block_on(timed(async || bare_request(&bare, &path).await))?);
        // The same client with its connection on another thread, as a fetch has it.
        let _entered = elsewhere.enter();
        times[1].push(pollster::block_on(timed(async || bare_request(&bare_elsewhere, &path).await))?);
        times[2].push(here.block_on(timed(async || {
            network.fetch(3000, "/status").await.map(drop).map_err(Failure::from)
        }))?);
        times[3].push(pollster::block_on(timed(async || {
            network.fetch(3000, "/status").wait().map(drop).map_err(Failure::from)
        }))?);
    }
    let [bare, bare_elsewhere, awaited, waited] = times.map(median);
    let line = |name: &str, time: Duration| {
        let ratio = time.as_secs_f64() / bare.as_secs_f64();
        println!("{name:34} {:8.1} us  x{ratio:.2}", time.as_secs_f64() * 1e6);
    };
    line("hyper-util, same thread", bare);
    line("hyper-util, connection elsewhere", bare_elsewhere);
    line("reveille fetch, awaited", awaited);
    line("reveille fetch, waited for", waited);
    let own = awaited.as_secs_f64() / bare_elsewhere.as_secs_f64();
    println!("overhead of reveille's own code: x{own:.2}");
    Ok(())
}

async fn bare_request(client: &Bare<HttpConnector, Empty<Bytes>>, uri: &http::Uri) -> Result<(), Failure> {
    let request = Request::get(uri).body(Empty::new())?;
    client.request(request).await?.into_body().collect().await?;
    Ok(())
}

/// The mean time of a request in one round.
async fn timed(mut request: impl AsyncFnMut() -> Result<(), Failure>) -> Result<Duration, Failure> {
    request().await?;
    let began = Instant::now();
    for _ in 0..REQUESTS {
        request().await?;
    }
    Ok(began.elapsed() / REQUESTS)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A server on a thread of its own that answers everything with a few bytes.
fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || -> std::io::Result<()> {
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
