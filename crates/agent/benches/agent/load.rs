//! What puts load on a server and reads its answers, and the server beside ours.

use std::io::{self, BufRead, BufReader, Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// An nginx that serves files, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) host: String,
}

impl Nginx {
    /// Starts one that serves `files` and keeps what it needs in `root`; `None` where it is not installed.
    pub(crate) fn start(root: &Path, files: &Path) -> io::Result<Option<Self>> {
        let host = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let settings = format!(
            "daemon off; worker_processes 2; pid {root}/nginx.pid; error_log stderr crit;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; keepalive_requests 1000000;\n\
             client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;\n\
             uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
             server {{ listen {host}; root {files}; }} }}\n",
            root = root.display(),
            files = files.display()
        );
        let file = root.join("nginx.conf");
        std::fs::write(&file, settings)?;
        // As root, its workers are somebody else, who has to get there.
        std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let child = Command::new("nginx").arg("-c").arg(&file).stdin(Stdio::null()).spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let nginx = Self { child, host };
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&nginx.host).is_err() {
            if Instant::now() > end {
                return Err(Error::other("nginx does not listen"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Some(nginx))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _gone = self.child.wait();
    }
}

/// How many requests a second are answered on so many connections.
pub(crate) fn rate(host: &str, path: &str, connections: usize, requests: usize) -> io::Result<f64> {
    let request: &'static [u8] = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes().leak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut open = Vec::new();
        for _ in 0..connections {
            let stream = tokio::net::TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            open.push(stream);
        }
        let began = Instant::now();
        let mut running: JoinSet<io::Result<()>> = open
            .into_iter()
            .map(|stream| one_after_the_other(stream, request, requests / connections))
            .collect();
        while let Some(ended) = running.join_next().await {
            ended.map_err(Error::other)??;
        }
        let asked = requests / connections * connections;
        Ok(f64::from(u32::try_from(asked).map_err(Error::other)?) / began.elapsed().as_secs_f64())
    })
}

async fn one_after_the_other(
    mut stream: tokio::net::TcpStream,
    request: &'static [u8],
    times: usize,
) -> io::Result<()> {
    let mut seen = Vec::with_capacity(64 << 10);
    for _ in 0..times {
        stream.write_all(request).await?;
        seen.clear();
        loop {
            if stream.read_buf(&mut seen).await? == 0 {
                return Err(Error::other("the server left"));
            }
            if whole(&seen)? {
                break;
            }
        }
    }
    Ok(())
}

/// Whether an answer, by length or by chunks, has arrived as a whole.
fn whole(seen: &[u8]) -> io::Result<bool> {
    let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = (&seen[..end], &seen[end + 4..]);
    if !head.starts_with(b"HTTP/1.1 200") {
        return Err(Error::other(String::from_utf8_lossy(head)));
    }
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length:")) {
        Some(length) => Ok(body.len() >= length.trim().parse().map_err(Error::other)?),
        None => Ok(body.ends_with(b"0\r\n\r\n")),
    }
}

/// A connection to `host`.
pub(crate) fn connect(host: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends `json` to `path` and reads the answer, which has to be a good one.
pub(crate) fn post(mut to: &TcpStream, host: &str, path: &str, json: &str) -> io::Result<()> {
    let length = json.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    to.write_all(format!("{head}{json}").as_bytes())?;
    answer(to)
}

/// Reads an answer on `from`, which has to be a good one.
pub(crate) fn answer(mut from: &TcpStream) -> io::Result<()> {
    let mut seen = Vec::new();
    let mut piece = [0; 16 << 10];
    while !whole(&seen)? {
        match from.read(&mut piece)? {
            0 => return Err(Error::other("the server left")),
            read => seen.extend_from_slice(&piece[..read]),
        }
    }
    Ok(())
}

/// How long it takes until `length` bytes have come.
pub(crate) fn download(host: &str, path: &str, headers: &str, length: u64) -> io::Result<Duration> {
    let mut to = connect(host)?;
    let began = Instant::now();
    write!(to, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")?;
    let mut from = BufReader::with_capacity(1 << 20, to);
    let mut line = String::new();
    from.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(Error::other(line));
    }
    while line != "\r\n" {
        line.clear();
        from.read_line(&mut line)?;
    }
    let came = io::copy(&mut from.take(length), &mut io::sink())?;
    if came < length {
        return Err(Error::other(format!("{came} of {length} bytes")));
    }
    Ok(began.elapsed())
}

/// The most memory that a process ever used, in bytes.
pub(crate) fn peak(pid: Pid) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().map_err(Error::other)?;
    Ok(kilobytes << 10)
}

/// The middle one of `values`.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
