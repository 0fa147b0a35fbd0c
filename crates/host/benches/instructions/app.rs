//! The agent and the app: processes of their own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::counted::Failure;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\
    date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok";

/// A server that answers each request with a few bytes, ended when this is dropped.
pub(crate) struct App {
    _process: Ended,
    port: u16,
}

/// An agent without a host, ended when this is dropped.
pub(crate) struct Agent {
    _process: Ended,
    socket: PathBuf,
    _place: TempDir,
}

/// A process that is ended when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl App {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = Ended(command.arg("app").stdout(Stdio::piped()).spawn()?);
        let mut port = String::new();
        BufReader::new(process.0.stdout.take().ok_or("no output")?).read_line(&mut port)?;
        Ok(Self { _process: process, port: port.trim_end().parse()? })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Agent {
    pub(crate) fn start() -> Result<Self, Failure> {
        let place = tempfile::tempdir()?;
        let socket = place.path().join("agent.sock");
        let listener = OwnedFd::from(UnixListener::bind(&socket)?);
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["agent", "--listen", "stdin", "--no-drives", "none here", "--volumes"])
            .arg(place.path());
        let process = Ended(command.stdin(Stdio::from(listener)).spawn()?);
        Ok(Self { _process: process, socket, _place: place })
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Serves until the process is ended.
pub(crate) fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let stream = stream?;
        // It ends when its client does.
        thread::spawn(move || answer(stream));
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => held.extend_from_slice(&piece[..read]),
        }
        if held.ends_with(b"\r\n\r\n") {
            held.clear();
            stream.write_all(ANSWER)?;
        }
    }
}
