//! A proxy under `valgrind`, and the requests that are counted.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::app::Agent;
use crate::awake;

pub(crate) type Failure = Box<dyn std::error::Error>;

const FEWER: usize = 500;
const MORE: usize = 1_500;

/// What is counted: how it is started, and what it is asked.
pub(crate) struct Counted {
    start: Box<dyn Fn() -> Result<(Child, SocketAddr), Failure>>,
    request: String,
}

pub(crate) fn is_valgrind_here() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|found| found.status.success())
}

impl Counted {
    /// A host whose one sandbox is awake, with this agent.
    pub(crate) fn host(agent: &Agent, path: &str) -> Result<Self, Failure> {
        let (program, socket) = (std::env::current_exe()?, agent.socket().to_owned());
        let start = move || {
            let mut command = valgrind();
            command.arg(&program).arg("host").arg(&socket).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn()?;
            let mut said = String::new();
            BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut said)?;
            Ok((child, said.trim_end().parse()?))
        };
        let request = format!(
            "GET /local/sandboxes/{}{path} HTTP/1.1\r\nHost: here\r\nX-Blaxel-Authorization: Bearer {}\r\n\r\n",
            awake::NAME,
            awake::KEY
        );
        Ok(Self { start: Box::new(start), request })
    }

    /// nginx before an app on this port; `None` where it is not installed.
    pub(crate) fn nginx(app: u16) -> Result<Option<Self>, Failure> {
        let is_program =
            |program: &&str| Command::new(program).arg("-v").output().is_ok_and(|said| said.status.success());
        let Some(program) = ["nginx", "/usr/sbin/nginx"].into_iter().find(is_program) else {
            return Ok(None);
        };
        let place = tempfile::tempdir()?;
        let start = move || {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            fs::write(
                place.path().join("settings"),
                settings(&place.path().display().to_string(), address, app),
            )?;
            let mut command = valgrind();
            command.arg(program).arg("-p").arg(place.path()).arg("-c").arg(place.path().join("settings"));
            Ok((command.spawn()?, address))
        };
        let request =
            "GET / HTTP/1.1\r\nHost: here\r\nX-Some-Header: as long as the key of a host\r\n\r\n".to_owned();
        Ok(Some(Self { start: Box::new(start), request }))
    }

    /// Instructions for one request.
    pub(crate) fn each(&self) -> Result<f64, Failure> {
        Ok(self.count(MORE)?.saturating_sub(self.count(FEWER)?) as f64 / (MORE - FEWER) as f64)
    }

    fn count(&self, requests: usize) -> Result<u64, Failure> {
        let (mut child, address) = (self.start)()?;
        let mut stream = connect(address)?;
        for _ in 0..requests {
            exchange(&mut stream, &self.request)?;
        }
        drop(stream);
        match child.stdin.take() {
            // It ends with its input.
            Some(input) => drop(input),
            None => {
                let pid = rustix::process::Pid::from_child(&child);
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            }
        }
        let mut said = String::new();
        child.stderr.take().ok_or("no output")?.read_to_string(&mut said)?;
        child.wait()?;
        let (_, number) =
            said.split_once("Collected : ").ok_or_else(|| format!("nothing was counted: {said}"))?;
        Ok(number.split_whitespace().next().unwrap_or_default().parse()?)
    }
}

fn valgrind() -> Command {
    let mut command = Command::new("valgrind");
    // Where somebody wants to see more than the sum.
    let out = std::env::var("CALLGRIND_OUT").unwrap_or_else(|_| "/dev/null".to_owned());
    command.args(["--tool=callgrind", &format!("--callgrind-out-file={out}")]).stderr(Stdio::piped());
    command
}

fn settings(place: &str, address: SocketAddr, app: u16) -> String {
    format!(
        "daemon off; master_process off; pid {place}/pid; error_log /dev/null;
         events {{ worker_connections 64; }}
         http {{
             access_log off; keepalive_requests 1000000;
             upstream app {{ server 127.0.0.1:{app}; keepalive 16; keepalive_requests 1000000; }}
             server {{
                 listen {address};
                 location / {{
                     proxy_pass http://app; proxy_http_version 1.1; proxy_buffering off;
                     proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $remote_addr;
                 }}
             }}
         }}"
    )
}

/// Waits until it listens, which takes long under valgrind.
fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    for _ in 0..600 {
        if let Ok(stream) = TcpStream::connect(address) {
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err("it does not listen".into())
}

/// One request and its whole answer, which must be a 200.
fn exchange(stream: &mut TcpStream, request: &str) -> Result<(), Failure> {
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece)? {
            0 => return Err("the connection ended".into()),
            read => answer.extend_from_slice(&piece[..read]),
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(text.into());
        }
        let head = head.to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").ok_or("an answer without a length")?;
        if length.lines().next().and_then(|length| length.parse().ok()) == Some(body.len()) {
            return Ok(());
        }
    }
}
