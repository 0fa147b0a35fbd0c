//! Making a connection, with every way to fail named by type.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use reveille_retry::{FaultKind, Proof};
use tokio::net::TcpStream;
use tower_service::Service;

use super::link::{Link, Wire};
use super::permits::Permit;
use super::proxy::Proxies;
use super::resolve::Resolver;
use super::{HttpVersion, TransportSettings, evidence};

/// Connecting ends after this long (the official Python client's value).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is silent before the kernel asks whether the peer lives, and how often it asks then.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_GAP: Duration = Duration::from_secs(5);
const KEEP_ALIVE_ASKS: u32 = 3;
/// How long the peer's kernel may leave bytes unacknowledged, by `TCP_USER_TIMEOUT` (RFC 5482).
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// Why no connection was made.
#[derive(Debug)]
pub(crate) struct ConnectFault {
    pub(crate) kind: FaultKind,
    pub(crate) proof: Proof,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConnectFault {
    pub(super) fn new(kind: FaultKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let proof = match kind {
            FaultKind::Resolve => Proof::Resolve,
            FaultKind::Handshake | FaultKind::TlsVerdict => Proof::Tls,
            _ => Proof::Connect,
        };
        Self { kind, proof, source: Some(source.into()) }
    }
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection: {}", self.kind)
    }
}

impl std::error::Error for ConnectFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Which version of HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// It chooses a version of HTTP.
    Gateway,
    /// The same, which is asked over HTTP/1.1 to change over to something else.
    Upgradable,
    /// It is asked for a tunnel over HTTP/1.1.
    #[cfg(feature = "tls")]
    Proxy,
}

/// Makes connections: resolve, connect, through a forward proxy where there is one, secure.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    timeout: Duration,
    version: HttpVersion,
    proxies: Arc<Proxies>,
    #[cfg(feature = "tls")]
    tls: super::tls::Tls,
}

impl Connector {
    pub(super) fn new(settings: &TransportSettings) -> Self {
        let timeout = settings.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE_GAP));
        tcp.set_keepalive_retries(Some(KEEP_ALIVE_ASKS));
        #[cfg(any(target_os = "android", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        tcp.set_local_address(settings.local_address);
        tcp.set_connect_timeout(Some(timeout));
        Self {
            tcp,
            timeout,
            version: settings.version,
            proxies: Arc::new(Proxies::new(&settings.way)),
            #[cfg(feature = "tls")]
            tls: super::tls::Tls::new(settings),
        }
    }

    /// The same, with another bound on how long it may take to connect.
    pub(super) fn within(&self, most: Duration) -> Self {
        let mut hurried = self.clone();
        hurried.tcp.set_connect_timeout(Some(most));
        Self { timeout: most, ..hurried }
    }

    /// The version that is spoken to such an address, where it is known before anybody is asked.
    pub(super) fn protocol_in_advance(&self, uri: &Uri) -> Option<Protocol> {
        match self.version {
            HttpVersion::Http1 => Some(Protocol::Http1),
            HttpVersion::Http2 => Some(Protocol::Http2),
            HttpVersion::Negotiated if uri.scheme() == Some(&Scheme::HTTPS) => None,
            HttpVersion::Negotiated => Some(Protocol::Http1),
        }
    }

    /// Whether HTTP/2 is spoken to such an address with prior knowledge. Over TLS HTTP/1.1 can be asked for.
    pub(super) fn knows_http2(&self, uri: &Uri) -> bool {
        self.version == HttpVersion::Http2 && uri.scheme() != Some(&Scheme::HTTPS)
    }

    /// Connects to where the URI points.
    pub(super) async fn connect(&self, uri: &Uri, permit: Permit) -> Result<(Link, Protocol), ConnectFault> {
        self.in_time(self.reach(uri, Peer::Gateway, permit)).await
    }

    /// Connects to where the URI points, to speak HTTP/1.1 and then something else.
    pub(super) async fn connect_for_upgrade(&self, uri: &Uri, permit: Permit) -> Result<Link, ConnectFault> {
        self.in_time(self.reach(uri, Peer::Upgradable, permit)).await.map(|(link, _)| link)
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, ConnectFault>>,
    ) -> Result<T, ConnectFault> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(done) => done,
            Err(late) => Err(ConnectFault::new(FaultKind::ConnectTimeout, late)),
        }
    }

    async fn reach(&self, uri: &Uri, peer: Peer, permit: Permit) -> Result<(Link, Protocol), ConnectFault> {
        let wire = match self.proxies.for_uri(uri) {
            Some(proxy) => proxy.tunnel(self, uri).await?,
            None => Wire::Tcp(self.dial(uri).await?),
        };
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return self.secure(uri, wire, peer, permit).await;
        }
        let protocol = self.protocol_in_advance(uri).unwrap_or(Protocol::Http1);
        Ok((Link::plain(wire, permit), protocol))
    }

    pub(super) async fn dial(&self, uri: &Uri) -> Result<TcpStream, ConnectFault> {
        match self.tcp.clone().call(uri.clone()).await {
            Ok(stream) => Ok(stream.into_inner()),
            Err(error) => Err(ConnectFault::new(evidence::kind_of_dial(&error), error)),
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        uri: &Uri,
        wire: Wire,
        peer: Peer,
        permit: Permit,
    ) -> Result<(Link, Protocol), ConnectFault> {
        let stream = self.tls.secure(uri, wire, peer).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => self.protocol_in_advance(uri).unwrap_or(Protocol::Http1),
        };
        Ok((Link::secured(stream, permit), protocol))
    }

    /// TLS to a proxy.
    #[cfg(feature = "tls")]
    pub(super) async fn secure_proxy(&self, proxy: &Uri, stream: TcpStream) -> Result<Wire, ConnectFault> {
        let stream = self.tls.secure(proxy, stream, Peer::Proxy).await?;
        Ok(Wire::Secured(Box::new(stream)))
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, _: &Uri, _: Wire, _: Peer, _: Permit) -> Result<(Link, Protocol), ConnectFault> {
        Err(ConnectFault::new(FaultKind::Unsendable, "https needs the feature \"tls\""))
    }

    #[cfg(not(feature = "tls"))]
    pub(super) async fn secure_proxy(&self, _: &Uri, _: TcpStream) -> Result<Wire, ConnectFault> {
        Err(ConnectFault::new(FaultKind::Unsendable, "a proxy behind https needs the feature \"tls\""))
    }
}
