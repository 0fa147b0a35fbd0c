//! The bytes of a connection inside this machine or to another.

use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

/// Left inside this machine, right to another.
pub(super) type Stream = Either<UnixStream, TcpStream>;
