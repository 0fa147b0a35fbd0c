//! The connection to an agent: below the gateway, which forwards over it, and below standby, which asks over it.

mod answer;
mod autostart;
mod connection;
mod keep_alive;
mod line;
mod link;
mod outgoing;
mod passages;
mod pool;
mod read;
mod stream;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_wire::Port;
use tokio::net::{TcpStream, UnixStream};

use self::passages::Passages;
use self::pool::Pool;
use self::stream::Stream;
use crate::engine::Address;

pub(crate) use answer::Answer;
pub(crate) use autostart::NotStarted;
pub(crate) use connection::{Connection, NotAnswered};
pub(crate) use keep_alive::KeepAlive;
pub(crate) use line::{Line, Origin};
pub(crate) use outgoing::{BodyError, Outgoing};
pub(crate) use passages::NoPassage;
pub(crate) use read::Question;

/// How long an idle connection is kept. Shorter than any agent's own patience.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The agent of one waking, with the connections that are kept open to it.
#[derive(Debug)]
pub(crate) struct Agent {
    address: Address,
    kept: Arc<Pool>,
    passages: Passages,
}

impl Agent {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, kept: Arc::new(Pool::new(PATIENCE)), passages: Passages::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection that is kept, or else a new one: for requests that may be sent twice.
    pub(crate) async fn connect(&self) -> io::Result<Line> {
        match self.kept.take() {
            Some(line) => Ok(line),
            None => self.connect_anew().await,
        }
    }

    /// A new connection: nobody can have closed it for being idle.
    pub(crate) async fn connect_anew(&self) -> io::Result<Line> {
        // Apart, so that who finds one that is kept does not carry the room for making one about.
        let stream = Box::pin(tokio::time::timeout(CONNECT, self.open())).await??;
        Ok(Line::new(stream, &self.kept))
    }

    /// A connection to a port of the sandbox that is kept, or else a new one: for requests that may be sent twice.
    pub(crate) async fn connect_to(&self, port: Port) -> Result<Line, NoPassage> {
        self.passages.connect(&self.address, port).await
    }

    /// A new connection to a port of the sandbox.
    pub(crate) async fn connect_anew_to(&self, port: Port) -> Result<Line, NoPassage> {
        self.passages.connect_anew(&self.address, port).await
    }

    /// Keeps none of the connections that are open now: the agent is about to close them.
    pub(crate) fn renew(&self) {
        self.kept.renew();
    }

    async fn open(&self) -> io::Result<Stream> {
        match &self.address {
            Address::Unix(path) => Ok(Stream::Left(UnixStream::connect(path).await?)),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Right(stream))
            }
        }
    }
}
