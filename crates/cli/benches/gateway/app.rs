//! The app: this program, which answers each request with a few bytes and does nothing else.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reveille::Sandbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::linux::Failure;

/// Where it listens in the sandbox.
pub(crate) const PORT: u16 = 7001;
pub(crate) const PATH: &str = "/port/7001/";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\
    date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok";
/// What a longer answer is made of.
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// The app on this machine while it runs.
pub(crate) struct App {
    child: Child,
    port: u16,
}

impl App {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(["serve", "0"]).stdout(Stdio::piped()).spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut port)?;
        Ok(Self { child, port: port.trim_end().parse()? })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the same in a sandbox.
pub(crate) fn start_inside(sandbox: &Sandbox) -> Result<(), Failure> {
    let program = std::fs::read(std::env::current_exe()?)?;
    sandbox.files().write("/blaxel/app", program).wait()?;
    sandbox.processes().exec("chmod +x /blaxel/app").wait()?;
    let command = format!("/blaxel/app serve {PORT}");
    sandbox.processes().exec(command).keep_alive().start().wait()?;
    // Tried again until it listens.
    sandbox.network().fetch(PORT, "/").wait()?.error_for_status()?;
    Ok(())
}

/// Serves until the process is ended.
pub(crate) fn serve(port: u16) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // It ends when the client does.
            tokio::spawn(answer(stream));
        }
    })
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut held = Vec::new();
    loop {
        if stream.read_buf(&mut held).await? == 0 {
            return Ok(());
        }
        if held.ends_with(b"\r\n\r\n") {
            match asked_bytes(&held) {
                None => stream.write_all(ANSWER).await?,
                Some(bytes) => write_bytes(&mut stream, bytes).await?,
            }
            held.clear();
        }
    }
}

/// `GET /100` asks for so many bytes.
fn asked_bytes(head: &[u8]) -> Option<usize> {
    let path = head.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(path).ok()?.strip_prefix('/')?.parse().ok()
}

async fn write_bytes(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(PIECE.len());
        stream.write_all(&PIECE[..piece]).await?;
        left -= piece;
    }
    Ok(())
}
