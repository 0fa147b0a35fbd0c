//! The connection to an agent: below the gateway, which forwards over it, and below standby, which asks over it.

mod keep_alive;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use crate::engine::Address;

pub(crate) use keep_alive::KeepAlive;

/// How many idle connections are kept.
const MAX_IDLE: usize = 32;
/// How long an idle connection is kept. Shorter than any agent's own patience.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The agent of one waking, with the connections that are kept open to it.
#[derive(Debug)]
pub(crate) struct Agent {
    address: Address,
    idle: Mutex<VecDeque<Idle>>,
    /// Connections of an earlier age are not kept any more.
    age: AtomicU64,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection on which one request can be sent.
#[derive(Debug)]
pub(crate) struct Connection {
    agent: Arc<Agent>,
    sender: SendRequest<Body>,
    age: u64,
}

/// How sending failed.
#[derive(Debug)]
pub(crate) enum NotAnswered {
    /// Nothing of it was written; here it is again.
    NeverWritten(Box<Request<Body>>),
    /// The agent may have it.
    Broken(hyper::Error),
}

impl Agent {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, idle: Mutex::default(), age: AtomicU64::new(0) }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection that is kept, or else a new one.
    pub(crate) async fn connect(self: &Arc<Self>) -> io::Result<Connection> {
        match self.kept() {
            Some(connection) => Ok(connection),
            None => self.connect_anew().await,
        }
    }

    /// A new connection.
    pub(crate) async fn connect_anew(self: &Arc<Self>) -> io::Result<Connection> {
        let age = self.age.load(Ordering::Acquire);
        let sender = tokio::time::timeout(CONNECT, open(&self.address)).await??;
        Ok(Connection { agent: Arc::clone(self), sender, age })
    }

    /// Keeps none of the connections that are open now: the agent is about to close them.
    pub(crate) fn renew(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.age.fetch_add(1, Ordering::AcqRel);
        idle.clear();
    }

    fn kept(self: &Arc<Self>) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let age = self.age.load(Ordering::Acquire);
        // The one that was used last is the most likely to be open still.
        while let Some(Idle { sender, since }) = idle.pop_back() {
            if sender.is_ready() && since.elapsed() < MAX_IDLE_TIME {
                return Some(Connection { agent: Arc::clone(self), sender, age });
            }
        }
        None
    }
}

impl Connection {
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, NotAnswered> {
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut failed) => Err(match failed.take_message() {
                Some(request) => NotAnswered::NeverWritten(Box::new(request)),
                None => NotAnswered::Broken(failed.into_error()),
            }),
        }
    }

    pub(crate) fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    /// Keeps the connection for the next request, once the answer has been read to its end.
    pub(crate) fn keep(self) {
        let Self { agent, sender, age } = self;
        let mut idle = agent.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_closed() || age != agent.age.load(Ordering::Acquire) {
            return;
        }
        if idle.len() >= MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since: Instant::now() });
    }
}

async fn open(address: &Address) -> io::Result<SendRequest<Body>> {
    match address {
        Address::Unix(path) => shake_hands(TokioIo::new(UnixStream::connect(path).await?)).await,
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            shake_hands(TokioIo::new(stream)).await
        }
    }
}

async fn shake_hands<T>(io: T) -> io::Result<SendRequest<Body>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // Whoever uses the connection is told of it, too.
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to an agent broke");
        }
    });
    Ok(sender)
}
