//! A proxy, a server behind it that says what it got, and clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::egress::authority::{Authority, OWN};
use crate::egress::exchange::Terms;
use crate::egress::outside::Outside;
use crate::egress::proxy::{Proxy, serve};
use crate::egress::{Domains, Doors, Policy, Route, Routing};

/// The name of the server behind, for which its certificate is.
pub(super) const NAME: &str = "api.example";

/// What a client writes and gets.
pub(super) type Client = SendRequest<Full<Bytes>>;

pub(super) struct Stand {
    pub(super) proxy: SocketAddr,
    pub(super) server: Server,
    rules: watch::Sender<Arc<Policy>>,
    authority: Arc<Authority>,
    _directory: TempDir,
    _end: DropGuard,
}

/// A server, and how many requests it has had.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) roots: RootCertStore,
    had: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn had(&self) -> usize {
        self.had.load(Ordering::SeqCst)
    }
}

impl Stand {
    pub(super) async fn with(routes: impl IntoIterator<Item = Route>) -> Self {
        Self::by(Policy::from(Domains::all()).with_routing(Routing::new(routes))).await
    }

    pub(super) async fn by(policy: Policy) -> Self {
        let server = server().await;
        let roots = server.roots.clone();
        Self::before(server, roots, policy, None).await
    }

    /// A proxy that is told of no authority.
    pub(super) async fn without_authority(policy: Policy) -> Self {
        let server = server().await;
        let roots = server.roots.clone();
        Self::told_of(|_| None, server, roots, policy, None)
    }

    pub(super) async fn before(
        server: Server,
        roots: RootCertStore,
        policy: Policy,
        doors: Option<Doors>,
    ) -> Self {
        Self::told_of(Some, server, roots, policy, doors)
    }

    fn told_of(
        whom: fn(Arc<Authority>) -> Option<Arc<Authority>>,
        server: Server,
        roots: RootCertStore,
        policy: Policy,
        doors: Option<Doors>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::open(directory.path()).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let proxy = listener.local_addr().unwrap();
        let (rules, known) = watch::channel(Arc::new(policy));
        let end = CancellationToken::new();
        let outside = Outside::at(server.address, roots, doors);
        let terms = Terms::new(Arc::new(outside), known, end.clone());
        tokio::spawn(serve(listener, Proxy { terms, authority: whom(Arc::clone(&authority)) }, 64));
        Self { proxy, server, rules, authority, _directory: directory, _end: end.drop_guard() }
    }

    pub(super) fn change(&self, policy: Policy) {
        self.rules.send_replace(Arc::new(policy));
    }

    /// A connection on which the proxy has said that it leads to a target.
    pub(super) async fn connected(&self, target: &str) -> TcpStream {
        let (stream, said) = self.said_to_connect(target).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        stream
    }

    /// What the proxy says to `CONNECT`.
    pub(super) async fn said_to_connect(&self, target: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(self.proxy).await.unwrap();
        let head = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let said = head_of(&mut stream).await;
        (stream, said)
    }

    /// Whom a client in a sandbox trusts.
    pub(super) fn trusted(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_file(self.authority.shown().join(OWN)).unwrap();
        roots.add(own).unwrap();
        roots
    }

    /// A secured connection to a name through the proxy, by a client that says this name in it.
    pub(super) async fn secured(&self, target: &str, name: &str) -> TlsStream<TcpStream> {
        secured(self.connected(target).await, name, self.trusted()).await.unwrap()
    }

    /// A client of the server behind.
    pub(super) async fn client(&self) -> Client {
        client(self.secured(&format!("{NAME}:443"), NAME).await).await
    }
}

pub(super) async fn secured(
    stream: TcpStream,
    name: &str,
    roots: RootCertStore,
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(super) async fn client(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
) -> Client {
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    client
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// What the server behind says that it got.
    pub(super) fn got(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(super) async fn ask(client: &mut Client, request: Request<impl Into<Bytes>>) -> Answer {
    client.ready().await.unwrap();
    let answer = client.send_request(request.map(|body| Full::new(body.into()))).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

pub(super) fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(path).header("host", NAME)
}

pub(super) fn post(path: &str) -> http::request::Builder {
    get(path).method("POST").header("content-type", "application/json")
}

/// Reads a head, and nothing behind it.
pub(super) async fn head_of(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// An authority of the tests' own, which stands for those of the internet.
fn issuer() -> &'static (Issuer<'static, KeyPair>, CertificateDer<'static>) {
    static ISSUER: OnceLock<(Issuer<'static, KeyPair>, CertificateDer<'static>)> = OnceLock::new();
    ISSUER.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        (Issuer::new(params, key), certificate)
    })
}

/// What a server says that is one of [`NAME`].
pub(super) fn acceptor() -> (TlsAcceptor, RootCertStore) {
    let (issuer, authority) = issuer();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

/// A server that says what it got.
pub(super) async fn server() -> Server {
    let (acceptor, roots) = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, had) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&had);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, had) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, had).await;
                }
            });
        }
    });
    Server { address, roots, had }
}

/// The same without a secured connection, as the host's own gateway is.
pub(super) async fn plain_server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, had) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&had);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&counted)));
        }
    });
    Server { address, roots: RootCertStore::empty(), had }
}

async fn answer(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    had: Arc<AtomicUsize>,
) {
    let service = service_fn(|request| {
        had.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, Infallible>(said(request).await) }
    });
    let server = hyper::server::conn::http1::Builder::new();
    server.serve_connection(TokioIo::new(stream), service).with_upgrades().await.ok();
}

async fn said(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.headers().contains_key("upgrade") {
        let switched = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(switched.await.unwrap());
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            tokio::io::copy(&mut reader, &mut writer).await.ok();
        });
        let answer =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        return answer.body(Full::default()).unwrap();
    }
    let close = request.uri().path() == "/close";
    let headers: serde_json::Map<String, Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let text = if body.len() > 1 << 20 { String::new() } else { String::from_utf8_lossy(&body).into_owned() };
    let got =
        json!({"method": method, "target": target, "headers": headers, "body": text, "length": body.len()});
    let mut answer = Response::new(Full::from(got.to_string()));
    answer.headers_mut().insert("x-blaxel-request-id", http::HeaderValue::from_static("forged"));
    if close {
        answer.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
    }
    answer
}
