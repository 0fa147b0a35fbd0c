//! Where requests come in.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::arguments::Listen;

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Listener {
    /// A unix socket, handed in.
    Unix(UnixListener),
    /// A TCP socket on loopback.
    Tcp(TcpListener),
}

impl Listener {
    /// Begins to listen as the command line says.
    pub(crate) fn open(listen: Listen) -> io::Result<Self> {
        match listen {
            Listen::Stdin => Self::adopt(take_stdin()?),
            Listen::Loopback(address) => {
                let socket = std::net::TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(socket)?))
            }
        }
    }

    /// Goes on with a socket that listens already.
    pub(crate) fn adopt(socket: OwnedFd) -> io::Result<Self> {
        if rustix::net::sockopt::socket_domain(&socket)? == rustix::net::AddressFamily::UNIX {
            let socket = std::os::unix::net::UnixListener::from(socket);
            socket.set_nonblocking(true)?;
            return Ok(Self::Unix(UnixListener::from_std(socket)?));
        }
        let socket = std::net::TcpListener::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(socket)?))
    }

    /// The address, where it has one that can be typed.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(listener) => listener.local_addr().ok(),
        }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Left(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Stream::Right(stream))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Moves standard input to a descriptor of its own and leaves `/dev/null` in its place, so that no process that
/// is started later can hold it.
///
/// # Errors
/// When standard input is no socket.
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    let taken = io::stdin().as_fd().try_clone_to_owned()?;
    let kind = File::from(taken.try_clone()?).metadata()?.file_type();
    if !kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "standard input is no socket"));
    }
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    Ok(taken)
}

/// A connection that was accepted: left over a unix socket, right over TCP.
pub(crate) type Stream = Either<UnixStream, TcpStream>;

/// What a connection goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unix,
    Tcp,
}

impl Kind {
    pub(crate) fn of(stream: &Stream) -> Self {
        match stream {
            Stream::Left(_) => Self::Unix,
            Stream::Right(_) => Self::Tcp,
        }
    }
}
