//! The ways in which a call is finished, and a server for each.

use std::future::IntoFuture;
use std::sync::OnceLock;
use std::time::Duration;

use reveille::{Client, ClientBuilder, Error, History, HttpVersion, RetryPolicy, WithHistory};
use reveille_faults::{FaultServer, Script};

/// How a call is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Awaited,
    AwaitedOnThreads,
    Waited,
    WaitedInsideARuntime,
}

pub(crate) const WAYS: [Way; 4] =
    [Way::Awaited, Way::AwaitedOnThreads, Way::Waited, Way::WaitedInsideARuntime];

pub(crate) const HTTP1: &[HttpVersion] = &[HttpVersion::Negotiated];
pub(crate) const HTTP2: &[HttpVersion] = &[HttpVersion::Http2];
pub(crate) const BOTH: &[HttpVersion] = &[HttpVersion::Negotiated, HttpVersion::Http2];

/// Five retries like the seed, without its waits.
pub(crate) fn quick() -> RetryPolicy {
    let millisecond = Duration::from_millis(1);
    RetryPolicy::builder().base(millisecond).cap(millisecond).jitter(millisecond).build().unwrap()
}

/// Waits so long in all that a word which is sent at once comes in time, however much else the machine does.
fn patient() -> RetryPolicy {
    let pause = Duration::from_millis(200);
    RetryPolicy::builder().retries(10).base(pause).cap(pause).jitter(Duration::ZERO).build().unwrap()
}

/// A client that sends nothing but what a test asks for.
pub(crate) fn builder(url: &str) -> ClientBuilder {
    probing(url).retry(quick()).no_probe()
}

/// The same, as clients are by default.
pub(crate) fn probing(url: &str) -> ClientBuilder {
    Client::builder().api_key("key").workspace("acme").api_url(url).run_url(url).retry(patient())
}

pub(crate) fn client(server: &FaultServer) -> Client {
    builder(&server.url()).build().unwrap()
}

static THREADS: OnceLock<tokio::runtime::Runtime> = OnceLock::new();

impl Way {
    pub(crate) fn finish<T: Send + 'static>(self, call: WithHistory<T>) -> Result<(T, History), Error> {
        let single = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match self {
            Self::Awaited => single().block_on(call.into_future()),
            Self::AwaitedOnThreads => {
                let build = || {
                    let mut builder = tokio::runtime::Builder::new_multi_thread();
                    builder.worker_threads(1).enable_all().build().unwrap()
                };
                // One for all, as what is streamed comes on only while it runs.
                let runtime = THREADS.get_or_init(build);
                runtime.block_on(async { tokio::spawn(call.into_future()).await.unwrap() })
            }
            Self::Waited => call.wait(),
            Self::WaitedInsideARuntime => single().block_on(async { call.wait() }),
        }
    }
}

/// What `call` gives within a deadline, where that is long enough for it to come so far: a machine that is busy with much
/// else gets more.
pub(crate) fn in_time<T>(call: impl Fn(Duration) -> Option<T>) -> T {
    let deadlines = [60, 600, 6_000, 60_000].map(Duration::from_millis);
    deadlines.into_iter().find_map(call).expect("it never comes so far")
}

/// Runs a test over each of these versions, in every way, each time against a server of its own.
pub(crate) fn everywhere(
    versions: &[HttpVersion],
    script: impl Fn() -> Script,
    test: impl Fn(&FaultServer, &Client, Way),
) {
    for version in versions {
        for way in WAYS {
            let server = FaultServer::start(script()).unwrap();
            let client = builder(&server.url()).http_version(*version).build().unwrap();
            test(&server, &client, way);
        }
    }
}
