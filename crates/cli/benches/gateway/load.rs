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
                exchange(&mut stream, &self.request, &mut Vec::new()).await?;
                streams.push(stream);
            }
            let (began, worked) = (Instant::now(), self.worked());
            let all: Vec<_> = streams
                .into_iter()
                .map(|stream| {
                    tokio::spawn(one_after_the_other(stream, self.request.clone(), began + lasting))
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

async fn one_after_the_other(
    mut stream: TcpStream,
    request: Vec<u8>,
    end: Instant,
) -> std::io::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut answer = Vec::new();
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok(latencies);
        }
        exchange(&mut stream, &request, &mut answer).await?;
        latencies.push(began.elapsed());
    }
}

/// One request and its whole answer, which must be a 200.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> std::io::Result<()> {
    answer.clear();
    stream.write_all(request).await?;
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let (head, body) = (&answer[..end], &answer[end + 4..]);
        let length = length(head).filter(|_| head.starts_with(b"HTTP/1.1 200 "));
        match length {
            None => return Err(std::io::Error::other(String::from_utf8_lossy(answer).into_owned())),
            Some(length) if length == body.len() => return Ok(()),
            Some(_) => {}
        }
    }
}

fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))?;
    std::str::from_utf8(line[NAME.len()..].trim_ascii()).ok()?.parse().ok()
}
