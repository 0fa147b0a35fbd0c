//! Load: so many connections, each with one request after the other.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::linux::Failure;

/// What is asked, and who does the work.
pub(crate) struct Proxy {
    address: SocketAddr,
    request: Vec<u8>,
    processes: Vec<u32>,
}

/// What came of it.
pub(crate) struct Load {
    latencies: Vec<Duration>,
    took: Duration,
    worked: Duration,
}

impl Proxy {
    pub(crate) fn new(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        processes: Vec<u32>,
    ) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").into_bytes();
        Self { address, request, processes }
    }

    pub(crate) fn load(&self, connections: usize, lasting: Duration) -> Result<Load, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..connections {
                let mut stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                // The first is not counted.
                let length = exchange_first(&mut stream, &self.request).await?;
                streams.push((stream, length));
            }
            let (began, worked) = (Instant::now(), self.worked());
            let all: Vec<_> = streams
                .into_iter()
                .map(|(stream, length)| {
                    tokio::spawn(one_after_the_other(stream, self.request.clone(), length, began + lasting))
                })
                .collect();
            let mut latencies = Vec::new();
            for connection in all {
                latencies.extend(connection.await??);
            }
            latencies.sort_unstable();
            Ok(Load { latencies, took: began.elapsed(), worked: self.worked().saturating_sub(worked) })
        })
    }

    /// How long its processes have run.
    fn worked(&self) -> Duration {
        let threads = self.processes.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
        let run = threads.flatten().flatten().filter_map(|thread| {
            let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            told.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(run.sum())
    }
}

impl Load {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// In microseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }

    /// Microseconds of a processor for one request.
    pub(crate) fn work(&self) -> f64 {
        self.worked.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}

/// How long the answer is, which all that follow are, too.
async fn exchange_first(stream: &mut TcpStream, request: &[u8]) -> Result<usize, Failure> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the connection ended".into());
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(format!("an answer that is none: {text}").into());
        }
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.ok_or("an answer without a length")?.1.parse()?;
        if body.len() == length {
            return Ok(answer.len());
        }
    }
}

async fn one_after_the_other(
    mut stream: TcpStream,
    request: Vec<u8>,
    length: usize,
    end: Instant,
) -> std::io::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut answer = vec![0; length];
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok(latencies);
        }
        stream.write_all(&request).await?;
        stream.read_exact(&mut answer).await?;
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(std::io::Error::other("an answer that is none"));
        }
        latencies.push(began.elapsed());
    }
}
