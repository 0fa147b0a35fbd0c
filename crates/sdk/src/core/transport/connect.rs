//! Making a connection, with every way to fail named by type.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use reveille_retry::{FaultKind, Proof};
use tokio::net::TcpStream;
use tower_service::Service;

use super::proxy::Proxies;
use super::{TransportSettings, evidence};

/// Connecting ends after this long (the official Python client's value).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Makes connections: resolve, connect, through a forward proxy where the environment names one, secure.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<Resolver>,
    timeout: Duration,
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
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(timeout));
        Self {
            tcp,
            timeout,
            proxies: Arc::new(Proxies::from_env()),
            #[cfg(feature = "tls")]
            tls: super::tls::Tls::new(settings),
        }
    }

    async fn connect(mut self, uri: Uri) -> Result<Link, ConnectFault> {
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let Some(proxy) = self.proxies.for_uri(&uri) else {
            let stream = self.dial(uri.clone()).await?;
            return if tls { self.secure(&uri, stream).await } else { Ok(Link::plain(stream)) };
        };
        let stream = self.dial(proxy.uri().clone()).await?;
        if tls {
            let stream = proxy.tunnel(&uri, stream).await?;
            return self.secure(&uri, stream).await;
        }
        Ok(Link { way: Way::Proxied, ..Link::plain(stream) })
    }

    async fn dial(&mut self, uri: Uri) -> Result<TcpStream, ConnectFault> {
        match self.tcp.call(uri).await {
            Ok(stream) => Ok(stream.into_inner()),
            Err(error) => Err(ConnectFault::new(evidence::kind_of_dial(&error), error)),
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, uri: &Uri, stream: TcpStream) -> Result<Link, ConnectFault> {
        let (stream, alpn) = self.tls.secure(uri, stream).await?;
        let way = match alpn {
            super::tls::Alpn::Http2 => Way::Http2,
            super::tls::Alpn::Http1 => Way::Direct,
        };
        Ok(Link { stream: Stream::Tls(TokioIo::new(Box::new(stream))), way })
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, _: &Uri, _: TcpStream) -> Result<Link, ConnectFault> {
        Err(ConnectFault::new(FaultKind::Unsendable, "https needs the feature \"tls\""))
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = ConnectFault;
    type Future = Pin<Box<dyn Future<Output = Result<Link, ConnectFault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (this, most) = (self.clone(), self.timeout);
        Box::pin(async move {
            match tokio::time::timeout(most, this.connect(uri)).await {
                Ok(done) => done,
                Err(late) => Err(ConnectFault::new(FaultKind::ConnectTimeout, late)),
            }
        })
    }
}

/// Resolves names by the system, and says by type when it could not.
#[derive(Clone)]
pub(crate) struct Resolver;

/// A name was not resolved.
#[derive(Debug)]
pub(crate) struct Unresolved(pub(super) io::Error);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of the host was not resolved")
    }
}

impl std::error::Error for Unresolved {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found: Vec<_> =
                tokio::net::lookup_host((name.as_str(), 0)).await.map_err(Unresolved)?.collect();
            if found.is_empty() {
                return Err(Unresolved(io::Error::new(io::ErrorKind::NotFound, "no address")));
            }
            Ok(found.into_iter())
        })
    }
}

/// A connection, secured or not.
pub(crate) struct Link {
    stream: Stream,
    way: Way,
}

/// What the pool has to know of a connection.
#[derive(Clone, Copy)]
enum Way {
    Direct,
    /// Requests go to a forward proxy, with their whole URL.
    Proxied,
    /// TLS settled on HTTP/2.
    #[cfg(feature = "tls")]
    Http2,
}

enum Stream {
    Plain(TokioIo<TcpStream>),
    #[cfg(feature = "tls")]
    Tls(TokioIo<Box<tokio_rustls::client::TlsStream<TcpStream>>>),
}

impl Link {
    fn plain(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(TokioIo::new(stream)), way: Way::Direct }
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        match self.way {
            Way::Direct => Connected::new(),
            Way::Proxied => Connected::new().proxy(true),
            #[cfg(feature = "tls")]
            Way::Http2 => Connected::new().negotiated_h2(),
        }
    }
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().stream {
            Stream::Plain($stream) => $call,
            #[cfg(feature = "tls")]
            Stream::Tls($stream) => $call,
        }
    };
}

impl Read for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl Write for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }
}
