//! Connections to the ports of a sandbox, which its agent makes and hands over.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reveille_wire::handover::{self, Outcome};
use reveille_wire::{Port, hop};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpStream, UnixStream};

use super::line::Line;
use super::pool::Pool;
use super::stream::Stream;
use crate::engine::Address;

/// How long an idle connection to a server in a sandbox is kept. Short: a server that serves one connection at a
/// time serves nobody else meanwhile, and few servers close one earlier.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many ports are remembered before those that are not in use are forgotten.
const MANY: usize = 64;
/// How many connections to the agent wait for the next port.
const MAX_IDLE: usize = 8;
/// How long the agent may take for one. It gives up by itself after 5 s for each of two addresses.
const LIMIT: Duration = Duration::from_secs(15);

/// The ways to the ports of one waking.
#[derive(Debug, Default)]
pub(super) struct Passages {
    ports: Mutex<HashMap<Port, Arc<Pool>>>,
    /// Connections over which the agent hands over others.
    idle: Mutex<Vec<UnixStream>>,
    /// The agent knows nothing of it.
    is_unknown: AtomicBool,
}

/// Why there is no connection to a port. Nothing of a request has been sent to anybody.
#[derive(Debug)]
pub(crate) enum NoPassage {
    /// The agent hands over none: it is to be asked to forward the request.
    Unknown,
    /// The agent cannot be reached.
    Unreachable,
    /// Nothing listens on the port.
    NotListening,
    /// What listens there takes no connections.
    NotAccepting,
}

impl From<io::Error> for NoPassage {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "an agent handed over no connection");
        Self::Unreachable
    }
}

impl Passages {
    /// A connection that is kept, or else a new one.
    pub(super) async fn connect(&self, agent: &Address, port: Port) -> Result<Line, NoPassage> {
        let pool = self.pool(port);
        match pool.take() {
            Some(line) => Ok(line),
            // Apart, so that who finds one does not carry the room for making one about.
            None => Box::pin(self.open(agent, port, &pool)).await,
        }
    }

    /// A new connection.
    pub(super) async fn connect_anew(&self, agent: &Address, port: Port) -> Result<Line, NoPassage> {
        Box::pin(self.open(agent, port, &self.pool(port))).await
    }

    async fn open(&self, agent: &Address, port: Port, pool: &Arc<Pool>) -> Result<Line, NoPassage> {
        let stream = tokio::time::timeout(LIMIT, self.ask(agent, port)).await.map_err(io::Error::from)??;
        Ok(Line::new(Stream::Right(stream), pool))
    }

    fn pool(&self, port: Port) -> Arc<Pool> {
        let mut ports = lock(&self.ports);
        if ports.len() >= MANY {
            ports.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
        }
        Arc::clone(ports.entry(port).or_insert_with(|| Arc::new(Pool::new(PATIENCE))))
    }

    /// Asks the agent for a connection. One over which it was asked before may have ended with an upgrade of the
    /// agent; asking again is harmless.
    async fn ask(&self, agent: &Address, port: Port) -> Result<TcpStream, NoPassage> {
        let kept = lock(&self.idle).pop();
        if let Some(mut stream) = kept
            && let Ok(answer) = ask_over(&mut stream, port).await
        {
            self.keep(stream);
            return answer;
        }
        let mut stream = self.begin(agent).await?;
        let answer = ask_over(&mut stream, port).await?;
        self.keep(stream);
        answer
    }

    fn keep(&self, stream: UnixStream) {
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_IDLE {
            idle.push(stream);
        }
    }

    async fn begin(&self, agent: &Address) -> Result<UnixStream, NoPassage> {
        let Address::Unix(path) = agent else { return Err(NoPassage::Unknown) };
        if self.is_unknown.load(Ordering::Relaxed) {
            return Err(NoPassage::Unknown);
        }
        let mut stream = UnixStream::connect(path).await?;
        let question = format!(
            "GET {} HTTP/1.1\r\nHost: sandbox\r\nConnection: upgrade\r\nUpgrade: {}\r\n\r\n",
            handover::PATH,
            handover::PROTOCOL
        );
        stream.write_all(question.as_bytes()).await?;
        if agrees(&mut stream).await? {
            return Ok(stream);
        }
        self.is_unknown.store(true, Ordering::Relaxed);
        Err(NoPassage::Unknown)
    }
}

/// Whether the head of the answer is one that changes over.
async fn agrees(stream: &mut UnixStream) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut byte = [0];
    // Byte by byte, once in a waking: what follows the head is no text.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > hop::MAX_HEAD || stream.read(&mut byte).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    Ok(head.starts_with(b"HTTP/1.1 101 "))
}

/// The outer error: the connection to the agent is of no more use.
async fn ask_over(stream: &mut UnixStream, port: Port) -> io::Result<Result<TcpStream, NoPassage>> {
    stream.write_all(&handover::question(port)).await?;
    let (outcome, descriptor) = stream.async_io(Interest::READABLE, || receive(stream)).await?;
    match (outcome, descriptor) {
        (Outcome::Connected, Some(descriptor)) => {
            let connection = std::net::TcpStream::from(descriptor);
            connection.set_nonblocking(true)?;
            Ok(Ok(TcpStream::from_std(connection)?))
        }
        (Outcome::NotListening, None) => Ok(Err(NoPassage::NotListening)),
        (Outcome::NotAccepting, None) => Ok(Err(NoPassage::NotAccepting)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn receive(stream: &UnixStream) -> io::Result<(Outcome, Option<OwnedFd>)> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [io::IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(stream, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    // All of them are taken, so that none stays open.
    let descriptor = descriptors.flatten().last();
    match (received.bytes, Outcome::of(byte[0])) {
        (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        (_, Some(outcome)) => Ok((outcome, descriptor)),
        (_, None) => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
