//! Addresses at which nobody answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

use crate::error::{Error, ErrorKind};

/// An address that refuses every connection.
///
/// The port is held while this lives, so that no other program can begin to listen there.
#[derive(Debug)]
pub struct Refusing {
    address: SocketAddr,
    _port: TcpSocket,
}

impl Refusing {
    /// Takes a port and does not listen.
    ///
    /// # Errors
    ///
    /// The machine has no port to give.
    pub fn new() -> Result<Self, Error> {
        let taken = || {
            let port = TcpSocket::new_v4()?;
            port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            Ok(Self { address: port.local_addr()?, _port: port })
        };
        taken().map_err(no_port)
    }

    /// The address that refuses.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An address at which connections are made, by the system, and nothing is ever read or written.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
}

impl BlackHole {
    /// Listens and never accepts.
    ///
    /// # Errors
    ///
    /// The machine has no port to give.
    pub fn new() -> Result<Self, Error> {
        let opened = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Ok(Self { address: listener.local_addr()?, _listener: listener })
        };
        opened().map_err(no_port)
    }

    /// The address that swallows everything.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn no_port(source: std::io::Error) -> Error {
    Error::new(ErrorKind::Listen, format!("cannot take a port: {source}")).caused_by(source)
}
