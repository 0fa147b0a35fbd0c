//! Connections to what is outside, and to the host's own previews.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, Uri};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Policy;
use super::address::is_outside;
use super::refused::{Refused, blocked, refused};

/// How long connecting to one address may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long agreeing on a secured connection may take.
const SECURE: Duration = Duration::from_secs(10);

/// The host's own previews. They listen on loopback, and sandboxes reach them all the same.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    /// Where the host listens.
    pub address: SocketAddr,
    /// Whether a request of this target with these headers is one to a preview, and to nothing else of the host.
    pub is_door: fn(&Uri, &HeaderMap) -> bool,
}

/// A host and a port that a sandbox asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// As [`bare`] writes it.
    pub(super) name: String,
    pub(super) port: u16,
}

/// A host's name as it is compared: in lower case, without the brackets of an address and without a dot at its end.
pub(super) fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

/// Refuses a name that a sandbox may not reach, whatever is asked of it.
pub(super) fn reachable(policy: &Policy, name: &str) -> Result<(), Refused> {
    if policy.domains().allow(name) {
        return Ok(());
    }
    Err(blocked(format!("{name} is not among what this sandbox may reach")))
}

impl Target {
    /// A host, as somebody wrote it, and a port; none where the host has no name.
    pub(super) fn new(host: &str, port: u16) -> Option<Self> {
        let name = bare(host);
        (!name.is_empty()).then_some(Self { name, port })
    }
}

/// What there is at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Outside,
    /// The host's own previews.
    Doors,
}

/// What finds the addresses of a name.
type Resolve = Box<dyn Fn(Target) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The way to the outside that all sandboxes have.
pub(super) struct Outside {
    resolve: Resolve,
    doors: Option<Doors>,
    tls: OnceLock<TlsConnector>,
}

impl Outside {
    /// The internet, and these doors.
    pub(super) fn new(doors: Option<Doors>) -> Self {
        let resolve = |Target { name, port }| -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name.as_str(), port)).await?;
                Ok(found.filter(|address| is_outside(address.ip())).collect())
            })
        };
        Self { resolve: Box::new(resolve), doors, tls: OnceLock::new() }
    }

    /// Another outside: what answers at `address` for every name, trusted where `roots` say so.
    #[cfg(test)]
    pub(super) fn at(address: SocketAddr, roots: RootCertStore, doors: Option<Doors>) -> Self {
        let resolve = move |_| -> BoxFuture<'static, _> { Box::pin(std::future::ready(Ok(vec![address]))) };
        let tls = OnceLock::from(connector(roots));
        Self { resolve: Box::new(resolve), doors, tls }
    }

    /// Where the host's own previews are asked for.
    pub(super) fn place(&self, target: &Target) -> Place {
        let Some(Doors { address, is_door }) = self.doors else { return Place::Outside };
        let is_port = matches!(target.port, 80 | 443) || target.port == address.port();
        let is_address = target.name.parse::<IpAddr>().is_ok_and(|ip| ip == shown(address.ip()));
        let uri = format!("http://{}/", target.name).parse::<Uri>();
        let is_name = || uri.is_ok_and(|uri| is_door(&uri, &HeaderMap::new()));
        if is_port && (is_address || is_name()) { Place::Doors } else { Place::Outside }
    }

    /// The port at which the doors are on a sandbox's own loopback: the host's, where the host has that address, so
    /// that a URL leads to the same place inside and outside.
    pub(super) fn doors_inside(&self) -> Option<u16> {
        let doors =
            self.doors.filter(|doors| shown(doors.address.ip()) == IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        Some(doors.address.port())
    }

    /// Whether a request may go through the doors.
    pub(super) fn is_door(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.doors.is_some_and(|doors| (doors.is_door)(uri, headers))
    }

    /// Connects to a target, where the policy allows it and it is at an address outside, or one of the doors.
    pub(super) async fn reach(&self, policy: &Policy, target: &Target) -> Result<TcpStream, Refused> {
        let Target { name, .. } = target;
        reachable(policy, name)?;
        let found = match (self.place(target), self.doors) {
            (Place::Doors, Some(doors)) => {
                vec![SocketAddr::new(shown(doors.address.ip()), doors.address.port())]
            }
            _ => (self.resolve)(target.clone())
                .await
                .map_err(|error| refused(StatusCode::BAD_GATEWAY, format!("{name} is not found: {error}")))?,
        };
        if found.is_empty() {
            let why = format!("{name} is at no address outside this machine and its network");
            return Err(refused(StatusCode::FORBIDDEN, why));
        }
        let mut last = None;
        for address in found {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).ok();
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Some(refused(StatusCode::BAD_GATEWAY, format!("{name}: {error}"))),
                Err(_) => {
                    last = Some(refused(StatusCode::GATEWAY_TIMEOUT, format!("{name} does not answer")));
                }
            }
        }
        Err(last.unwrap_or_else(|| refused(StatusCode::BAD_GATEWAY, format!("{name} cannot be reached"))))
    }

    /// Secures a connection, where what answers is who it is to be.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        target: &Target,
    ) -> Result<TlsStream<TcpStream>, Refused> {
        let Target { name, .. } = target;
        let bad = |why: String| refused(StatusCode::BAD_GATEWAY, why);
        let server =
            ServerName::try_from(name.clone()).map_err(|_| bad(format!("{name} is no host's name")))?;
        let tls = self.tls.get_or_init(|| connector(roots_of_the_machine()));
        match tokio::time::timeout(SECURE, tls.connect(server, stream)).await {
            Ok(secured) => secured.map_err(|error| bad(format!("{name} could not be made sure of: {error}"))),
            Err(_) => Err(refused(StatusCode::GATEWAY_TIMEOUT, format!("{name} does not answer"))),
        }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("doors", &self.doors).finish_non_exhaustive()
    }
}

/// The address by which a host is known that listens on this one.
fn shown(address: IpAddr) -> IpAddr {
    if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address }
}

fn roots_of_the_machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    tracing::debug!(added, ignored, "the machine's certificates are read");
    roots
}

fn connector(roots: RootCertStore) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    // The versions are those of the provider itself.
    let builder = builder.unwrap_or_else(|error| unreachable!("{error}"));
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, port: u16) -> Target {
        Target { name: name.to_owned(), port }
    }

    #[test]
    fn doors_are_where_the_host_says_and_nowhere_else() {
        let is_door = |uri: &Uri, _: &HeaderMap| uri.host() == Some("a.preview.localhost");
        for (listens, at) in
            [("127.0.0.1:7878", "127.0.0.1"), ("0.0.0.0:7878", "127.0.0.1"), ("[::1]:7878", "::1")]
        {
            let outside = Outside::new(Some(Doors { address: listens.parse().unwrap(), is_door }));
            for port in [80, 443, 7878] {
                assert_eq!(outside.place(&target(at, port)), Place::Doors, "{at}:{port}");
                assert_eq!(outside.place(&target("a.preview.localhost", port)), Place::Doors);
            }
            for (name, port) in
                [(at, 22), ("a.preview.localhost", 22), ("localhost", 7878), ("127.0.0.2", 7878)]
            {
                assert_eq!(outside.place(&target(name, port)), Place::Outside, "{name}:{port}");
            }
        }
        assert_eq!(Outside::new(None).place(&target("127.0.0.1", 80)), Place::Outside);
    }
}
