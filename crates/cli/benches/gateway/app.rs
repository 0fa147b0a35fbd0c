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
            held.clear();
            stream.write_all(ANSWER).await?;
        }
    }
}
