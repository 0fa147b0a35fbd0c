//! Reaching a port of the sandbox.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reveille_wire::{GatewayCode, Port, Refusal};
use tokio::net::TcpStream;

/// How long a connection may take. On loopback it takes longer only when the server does not accept any.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// When a server that does not listen yet may do so.
const SOON: Duration = Duration::from_secs(1);

/// Why nobody can be reached on a port. Nothing of a request has been sent to anybody.
#[derive(Debug)]
pub(super) enum NoWay {
    /// Nothing listens there.
    NotListening(io::Error),
    /// Something does, and takes no connections.
    NotAccepting,
}

/// Connects to whatever listens on `port` of this sandbox: over IPv4, or where that is refused over IPv6.
pub(super) async fn connect(port: Port) -> Result<TcpStream, NoWay> {
    let mut refused = None;
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let address = SocketAddr::new(ip, port.get());
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // It only makes small writes slower.
                let _slower = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => refused = refused.or(Some(error)),
            Err(_) => return Err(NoWay::NotAccepting),
        }
    }
    Err(NoWay::NotListening(refused.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into())))
}

impl NoWay {
    /// What is said to a request that was for `port`.
    pub(super) fn refusal(self, port: Port) -> Refusal {
        let refusal = match self {
            Self::NotListening(error) => {
                let message = format!("nothing listens on port {port} in this sandbox: {error}");
                Refusal::new(GatewayCode::PortNotListening, message).action(format!(
                    "start a server on port {port}, on 127.0.0.1 or all addresses, or wait until it listens"
                ))
            }
            Self::NotAccepting => {
                let seconds = CONNECT.as_secs();
                let message =
                    format!("the server on port {port} takes no connections: none within {seconds} s");
                Refusal::new(GatewayCode::PortNotAccepting, message)
            }
        };
        refusal.not_dispatched().retry_after(SOON)
    }
}
