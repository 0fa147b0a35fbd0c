//! Both clients, and the ways in which each of them is driven.

use std::fmt;
use std::sync::{Arc, Barrier, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reveille::Network;
use tokio::runtime::{Builder, Runtime as Tokio};

use crate::Failure;

const PORT: u16 = 3000;

/// Something that fetches one small page.
pub(crate) trait Client: Clone + Send + 'static {
    fn fetch(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The same on a thread without a runtime.
    fn wait(&self) -> Result<(), Failure>;
}

/// How the calls are made.
#[derive(Clone, Copy)]
pub(crate) enum Runtime {
    /// Tasks of a runtime of one thread.
    Here,
    /// Tasks of a runtime of two threads.
    Threads,
    /// A plain thread for each caller.
    None,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => "awaited on one thread",
            Self::Threads => "awaited on two threads",
            Self::None => "waited for, each on a thread",
        })
    }
}

fn runtime(of: &mut Builder) -> Tokio {
    of.enable_all().build().unwrap_or_else(|error| panic!("no runtime: {error}"))
}

static HERE: LazyLock<Tokio> = LazyLock::new(|| runtime(&mut Builder::new_current_thread()));
static THREADS: LazyLock<Tokio> = LazyLock::new(|| runtime(Builder::new_multi_thread().worker_threads(2)));

impl Runtime {
    /// So many callers make so many requests together, after one each that is not counted. Gives the time it took.
    pub(crate) fn run(
        self,
        client: &impl Client,
        callers: usize,
        requests: usize,
    ) -> Result<Duration, Failure> {
        let each = requests / callers;
        let runtime = match self {
            Self::Here => &HERE,
            Self::Threads => &THREADS,
            Self::None => return on_threads(client, callers, each),
        };
        runtime.block_on(async {
            let ready = Arc::new(tokio::sync::Barrier::new(callers + 1));
            let caller = || {
                let (client, ready) = (client.clone(), Arc::clone(&ready));
                tokio::spawn(async move {
                    let first = client.fetch().await;
                    ready.wait().await;
                    first?;
                    for _ in 0..each {
                        client.fetch().await?;
                    }
                    Ok::<_, Failure>(())
                })
            };
            let all: Vec<_> = (0..callers).map(|_| caller()).collect();
            ready.wait().await;
            let began = Instant::now();
            for caller in all {
                caller.await??;
            }
            Ok(began.elapsed())
        })
    }
}

fn on_threads(client: &impl Client, callers: usize, each: usize) -> Result<Duration, Failure> {
    let ready = Arc::new(Barrier::new(callers + 1));
    let caller = || {
        let (client, ready) = (client.clone(), Arc::clone(&ready));
        std::thread::spawn(move || {
            let first = client.wait();
            ready.wait();
            first?;
            (0..each).try_for_each(|_| client.wait())
        })
    };
    let all: Vec<_> = (0..callers).map(|_| caller()).collect();
    ready.wait();
    let began = Instant::now();
    all.into_iter().try_for_each(|caller| caller.join().map_err(|_| "a caller panicked")?)?;
    Ok(began.elapsed())
}

type HyperUtil = hyper_util::client::legacy::Client<HttpConnector, Empty<Bytes>>;

fn hyper_util_client() -> HyperUtil {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector)
}

/// hyper-util's pooling client. It sends what the SDK sends.
#[derive(Clone)]
pub(crate) struct Bare {
    client: HyperUtil,
    uri: Uri,
    headers: [(HeaderName, HeaderValue); 5],
}

impl Bare {
    pub(crate) fn new(address: &str) -> Result<Self, Failure> {
        let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Ok(Self {
            client: hyper_util_client(),
            uri: format!("http://{address}/acme/sandboxes/box/port/{PORT}/status").parse()?,
            headers: [
                (USER_AGENT, HeaderValue::from_static("blaxel/sdk/rust/0.1.0 (linux/x86_64) reveille/0.1.0")),
                (ACCEPT, HeaderValue::from_static("*/*")),
                header("x-blaxel-authorization", "Bearer key"),
                header("x-blaxel-workspace", "acme"),
                header("blaxel-version", "2026-04-28"),
            ],
        })
    }
}

impl Client for Bare {
    async fn fetch(&self) -> Result<(), Failure> {
        let mut request = Request::get(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = self.client.request(request.body(Empty::new())?).await?;
        answer.into_body().collect().await?.to_bytes();
        Ok(())
    }

    fn wait(&self) -> Result<(), Failure> {
        thread_local! {
            /// Connections belong to the runtime that made them, so that each thread has its own of both.
            static OWN: std::cell::RefCell<Option<(Tokio, HyperUtil)>> = const { std::cell::RefCell::new(None) };
        }
        OWN.with_borrow_mut(|own| {
            let (runtime, client) =
                own.get_or_insert_with(|| (runtime(&mut Builder::new_current_thread()), hyper_util_client()));
            let this = Self { client: client.clone(), uri: self.uri.clone(), headers: self.headers.clone() };
            runtime.block_on(this.fetch())
        })
    }
}

/// The SDK.
#[derive(Clone)]
pub(crate) struct Ours(Network);

impl Ours {
    pub(crate) fn new(address: &str) -> Result<Self, Failure> {
        let url = format!("http://{address}");
        let client = reveille::Client::builder().api_key("key").workspace("acme").run_url(url).build()?;
        Ok(Self(client.sandbox("box").network()))
    }
}

impl Client for Ours {
    async fn fetch(&self) -> Result<(), Failure> {
        self.0.fetch(PORT, "/status").await?;
        Ok(())
    }

    fn wait(&self) -> Result<(), Failure> {
        self.0.fetch(PORT, "/status").wait()?;
        Ok(())
    }
}
