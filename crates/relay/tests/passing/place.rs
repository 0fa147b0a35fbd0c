//! A relay on a runtime of its own, and clients that speak to it in bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use reveille::{Client, ClientBuilder, RetryPolicy};
use reveille_relay::{Relay, RelaySettings};
use tokio::runtime::{Builder, Runtime};

/// Longer than anything takes on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where the sandbox of the tests is.
pub(crate) const BOX: &str = "/acme/sandboxes/box";

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// A client of the platform at this URL, as the command line makes one.
pub(crate) fn to(platform: &str) -> ClientBuilder {
    Client::builder().api_key("ours").workspace("acme").api_url(format!("{platform}/v0")).run_url(platform)
}

/// The same without waits between retries, and without a probe.
pub(crate) fn plain(platform: &str) -> ClientBuilder {
    let millisecond = Duration::from_millis(1);
    let quick =
        RetryPolicy::builder().base(millisecond).cap(millisecond).jitter(millisecond).build().unwrap();
    to(platform).retry(quick).no_probe()
}

pub(crate) fn settings(client: ClientBuilder) -> RelaySettings {
    let mut settings = RelaySettings::new(client);
    settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings
}

pub(crate) fn relay(client: ClientBuilder) -> Relay {
    start(settings(client))
}

pub(crate) fn start(settings: RelaySettings) -> Relay {
    let _entered = runtime().enter();
    Relay::start(settings).unwrap()
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no head: {:?}", String::from_utf8_lossy(bytes));
        });
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        let found =
            lines.find(|line| line.split(':').next().is_some_and(|said| said.eq_ignore_ascii_case(name)))?;
        found.split_once(':').map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) fn connect(relay: &Relay) -> TcpStream {
    let stream = TcpStream::connect(relay.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes on a connection of their own, and reads to its end.
pub(crate) fn raw(relay: &Relay, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut stream = connect(relay);
    stream.write_all(bytes.as_ref()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// A request after which the connection ends.
pub(crate) fn ask(relay: &Relay, method: &str, path: &str, more: &str) -> Answer {
    ask_with(relay, method, path, more, "")
}

pub(crate) fn ask_with(relay: &Relay, method: &str, path: &str, more: &str, body: &str) -> Answer {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}{length}\r\n");
    Answer::of(&raw(relay, format!("{head}{body}")))
}

pub(crate) fn get(relay: &Relay, below: &str) -> Answer {
    ask(relay, "GET", &format!("{BOX}{below}"), "")
}

pub(crate) fn post(relay: &Relay, below: &str, body: &str) -> Answer {
    ask_with(relay, "POST", &format!("{BOX}{below}"), "", body)
}

/// Waits until something is so, which it has to be soon.
#[track_caller]
pub(crate) fn eventually(what: &str, so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
