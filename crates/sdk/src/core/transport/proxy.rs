//! Forward proxies, as the environment names them (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), or code.

use std::io;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Builder, Intercept, Matcher};
use reveille_retry::FaultKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use super::ForwardProxy;
use super::connect::{ConnectFault, Connector};
use super::exceptions::{Exceptions, is_loopback};
use super::link::Wire;

/// The largest head of a proxy's answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Which proxy a request goes through.
pub(super) struct Proxies {
    known: Matcher,
    loopback: Loopback,
    except: Exceptions,
    /// Names that hold what is no proxy that anybody here speaks to. What they are for does not go past them.
    unspoken: Vec<Unspoken>,
}

/// Whether requests to this machine go through a proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loopback {
    /// Never, as the environment is not for one client alone.
    Past,
    /// As all others: somebody said so in code.
    Through,
}

/// A variable that names a proxy of an unknown kind.
struct Unspoken {
    name: &'static str,
    applies: Matcher,
}

/// The variables that name proxies.
const NAMES: [&str; 3] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];

impl Proxies {
    pub(super) fn new(way: &ForwardProxy) -> Self {
        let all = match way {
            ForwardProxy::Environment => return Self::from_env(),
            ForwardProxy::None => Matcher::builder().build(),
            ForwardProxy::At(url) => Matcher::builder().all(url.clone()).build(),
        };
        let except = Exceptions::of("");
        Self { known: all, loopback: Loopback::Through, except, unspoken: Vec::new() }
    }

    fn from_env() -> Self {
        // Behind a web server a client's header `Proxy` becomes this variable (httpoxy).
        let is_cgi = std::env::var_os("REQUEST_METHOD").is_some();
        Self::named_by(|name| {
            let spellings = [name.to_owned(), name.to_lowercase()];
            let named = spellings.iter().filter(|spelling| !is_cgi || *spelling != "HTTP_PROXY");
            named.filter_map(|spelling| std::env::var(spelling).ok()).find(|value| !value.is_empty())
        })
    }

    fn named_by(variable: impl Fn(&str) -> Option<String>) -> Self {
        let except = Exceptions::of(&variable("NO_PROXY").unwrap_or_default());
        let mut known = Matcher::builder();
        let mut unspoken = Vec::new();
        for name in NAMES {
            let Some(url) = variable(name) else { continue };
            if is_proxy(&url) {
                known = of(name, known, url);
            } else {
                let applies = of(name, Matcher::builder(), PLACEHOLDER.to_owned()).build();
                unspoken.push(Unspoken { name, applies });
            }
        }
        Self { known: known.build(), loopback: Loopback::Past, except, unspoken }
    }

    pub(super) fn for_uri(&self, uri: &Uri) -> Option<Proxy> {
        let is_past = self.loopback == Loopback::Past && is_loopback(uri.host()?);
        if is_past || self.except.cover(uri, port_of(uri)) {
            return None;
        }
        let unspoken = self.unspoken.iter().find(|it| it.applies.intercept(uri).is_some());
        match unspoken {
            Some(Unspoken { name, .. }) => Some(Proxy::Unspoken(name)),
            None => self.known.intercept(uri).map(Proxy::Known),
        }
    }
}

/// Stands for a proxy where only whom it is for is asked.
const PLACEHOLDER: &str = "http://proxy.invalid";

fn of(name: &str, builder: Builder, url: String) -> Builder {
    match name {
        "HTTPS_PROXY" => builder.https(url),
        "HTTP_PROXY" => builder.http(url),
        _ => builder.all(url),
    }
}

/// Whether it is a proxy of a kind that is known at all.
fn is_proxy(url: &str) -> bool {
    Matcher::builder()
        .all(url.to_owned())
        .build()
        .intercept(&Uri::from_static("https://example.com"))
        .is_some()
}

/// Whether it is the URL of a proxy of a kind that is spoken to.
pub(crate) fn is_spoken(url: &str) -> bool {
    let spoken = ["http://", "https://", "socks5://", "socks5h://"];
    spoken.iter().any(|scheme| url.starts_with(scheme)) && is_proxy(url)
}

/// One forward proxy.
///
/// Every request goes through a tunnel, those in the clear too: so each answer is the gateway's, and what the proxy
/// says by itself is never taken for it.
pub(super) enum Proxy {
    Known(Intercept),
    /// What this variable names is none.
    Unspoken(&'static str),
}

impl Proxy {
    /// Asks the proxy for a way to where the URI points.
    pub(super) async fn tunnel(&self, connector: &Connector, to: &Uri) -> Result<Wire, ConnectFault> {
        let intercept = match self {
            Self::Known(intercept) => intercept,
            Self::Unspoken(name) => {
                let what = format!(
                    "what {name} names is no proxy that is spoken to: http, https, socks5 and socks5h are"
                );
                return Err(ConnectFault::new(FaultKind::Proxy, what));
            }
        };
        let proxy = intercept.uri();
        match proxy.scheme_str() {
            Some("http") => {
                let mut stream = connector.dial(proxy).await?;
                ask(intercept, to, &mut stream).await?;
                Ok(Wire::Tcp(stream))
            }
            Some("https") => {
                let mut wire = connector.secure_proxy(proxy, connector.dial(proxy).await?).await?;
                ask(intercept, to, &mut wire).await?;
                Ok(wire)
            }
            Some("socks5" | "socks5h") => {
                socks(intercept, to, connector.dial(&with_port(proxy, 1080)).await?).await
            }
            other => {
                let scheme = other.unwrap_or_default();
                Err(ConnectFault::new(
                    FaultKind::Proxy,
                    format!("proxies of the kind {scheme:?} are not spoken to"),
                ))
            }
        }
    }
}

/// Asks for a tunnel (RFC 9110, section 9.3.6).
async fn ask<S>(proxy: &Intercept, to: &Uri, stream: &mut S) -> Result<(), ConnectFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error| ConnectFault::new(FaultKind::Unreachable, error);
    let authority = format!("{}:{}", to.host().unwrap_or_default(), port_of(to));
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(login) = proxy.basic_auth().map(HeaderValue::as_bytes) {
        request.extend([b"Proxy-Authorization: ", login, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    stream.write_all(&request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let status = read_final_status(stream).await.map_err(broken)?;
    let kind = match status {
        200..=299 => return Ok(()),
        502..=504 => FaultKind::Unreachable,
        _ => FaultKind::Proxy,
    };
    Err(ConnectFault::new(kind, format!("the proxy answered {status} to CONNECT")))
}

/// Asks for a way by SOCKS 5 (RFC 1928), with a name and a password where the URL has them (RFC 1929). The
/// proxy resolves the name.
async fn socks(proxy: &Intercept, to: &Uri, stream: TcpStream) -> Result<Wire, ConnectFault> {
    let target = (to.host().unwrap_or_default().trim_matches(['[', ']']), port_of(to));
    let reached = match proxy.raw_auth() {
        Some((name, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, name, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    match reached {
        Ok(stream) => Ok(Wire::Tcp(stream.into_inner())),
        Err(error) => Err(ConnectFault::new(kind_of_socks(&error), error)),
    }
}

/// What the proxy decided is final; what the way to it, or from it, did is not.
fn kind_of_socks(error: &tokio_socks::Error) -> FaultKind {
    use tokio_socks::Error as Socks;
    match error {
        Socks::Io(_)
        | Socks::GeneralSocksServerFailure
        | Socks::NetworkUnreachable
        | Socks::HostUnreachable
        | Socks::ConnectionRefused
        | Socks::TtlExpired => FaultKind::Unreachable,
        _ => FaultKind::Proxy,
    }
}

fn port_of(uri: &Uri) -> u16 {
    let standard = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    uri.port_u16().unwrap_or(standard)
}

/// The URI with a port in it, where it has none.
fn with_port(uri: &Uri, port: u16) -> Uri {
    if uri.port().is_some() {
        return uri.clone();
    }
    let authority = format!("{}:{port}", uri.host().unwrap_or_default());
    let built = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    built.unwrap_or_else(|_| uri.clone())
}

/// The status of the final answer. Informational ones may precede it (RFC 9110, section 15.2).
async fn read_final_status<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<u16> {
    loop {
        let status = read_status(stream).await?;
        if !matches!(status, 100 | 102..=199) {
            return Ok(status);
        }
    }
}

async fn read_status<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<u16> {
    let mut head = Vec::new();
    // Byte by byte, as what follows the head belongs to TLS. A line may end without a CR (RFC 9112, section 2.2).
    while !head.ends_with(b"\n\r\n") && !head.ends_with(b"\n\n") && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(&head) {
        Ok(httparse::Status::Complete(_)) => Ok(answer.code.unwrap_or_default()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the proxy's answer is no HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::transport::TransportSettings;
    use tokio::net::TcpListener;

    fn proxies(address: &str) -> Proxies {
        Proxies::named_by(|name| (name == "ALL_PROXY").then(|| address.to_owned()))
    }

    /// Connects to `target` through a proxy of this scheme and login, which takes `reads` and gives `answer`.
    async fn through(
        scheme: &str,
        target: &'static str,
        turns: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Wire, ConnectFault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for (expected, answer) in turns {
                let mut read = vec![0; expected.len()];
                stream.read_exact(&mut read).await.unwrap();
                assert_eq!(read.escape_ascii().to_string(), expected.escape_ascii().to_string());
                stream.write_all(&answer).await.unwrap();
            }
        });
        let target = Uri::from_static(target);
        let connector = Connector::new(&TransportSettings::default());
        let proxy_url = scheme.replace("PROXY", &address.to_string());
        let reached = proxies(&proxy_url).for_uri(&target).unwrap().tunnel(&connector, &target).await;
        proxy.await.unwrap();
        reached
    }

    async fn tunnelled(answer: &'static [u8]) -> Result<Wire, ConnectFault> {
        let head = b"CONNECT sandbox.example:443 HTTP/1.1\r\nHost: sandbox.example:443\r\n\r\n";
        through("http://PROXY", "https://sandbox.example/x", vec![(head.to_vec(), answer.to_vec())]).await
    }

    #[tokio::test]
    async fn a_request_in_the_clear_goes_through_a_tunnel_too_with_the_login_of_the_url() {
        let head = b"CONNECT sandbox.example:80 HTTP/1.1\r\nHost: sandbox.example:80\r\n\
            Proxy-Authorization: Basic dXNlcjpwQHc=\r\n\r\n";
        let turn = (head.to_vec(), b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
        assert!(through("http://user:p%40w@PROXY", "http://sandbox.example/x", vec![turn]).await.is_ok());
    }

    #[tokio::test]
    async fn socks_is_spoken_with_and_without_a_login() {
        let name = b"\x05\x01\x00\x03\x0fsandbox.example\x01\xbb".to_vec();
        let granted = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
        let open = vec![(b"\x05\x01\x00".to_vec(), b"\x05\x00".to_vec()), (name.clone(), granted.clone())];
        assert!(through("socks5://PROXY", "https://sandbox.example/x", open).await.is_ok());
        let login = vec![
            (b"\x05\x02\x00\x02".to_vec(), b"\x05\x02".to_vec()),
            (b"\x01\x04user\x02pw".to_vec(), b"\x01\x00".to_vec()),
            (name, granted),
        ];
        assert!(through("socks5h://user:pw@PROXY", "https://sandbox.example/x", login).await.is_ok());
    }

    #[tokio::test]
    async fn what_a_socks_proxy_forbids_is_final_and_what_it_cannot_reach_is_not() {
        for (code, kind) in [(2, FaultKind::Proxy), (4, FaultKind::Unreachable), (5, FaultKind::Unreachable)]
        {
            let answer = [b"\x05", &[code][..], b"\x00\x01\x00\x00\x00\x00\x00\x00"].concat();
            let turns = vec![
                (b"\x05\x01\x00".to_vec(), b"\x05\x00".to_vec()),
                (b"\x05\x01\x00\x03\x0fsandbox.example\x01\xbb".to_vec(), answer),
            ];
            let refused = through("socks5://PROXY", "https://sandbox.example/x", turns).await;
            assert_eq!(refused.map(drop).unwrap_err().kind, kind, "{code}");
        }
    }

    #[tokio::test]
    async fn a_kind_of_proxy_that_is_not_spoken_to_is_refused() {
        let target = Uri::from_static("https://sandbox.example/");
        let connector = Connector::new(&TransportSettings::default());
        for kind in
            ["socks4://127.0.0.1:9", "ftp://127.0.0.1:9", "gopher://user:pw@127.0.0.1:9", "http://:::"]
        {
            let proxy = proxies(kind).for_uri(&target).unwrap();
            let refused = proxy.tunnel(&connector, &target).await.map(drop).unwrap_err();
            assert_eq!(
                (refused.kind, refused.proof),
                (FaultKind::Proxy, reveille_retry::Proof::Connect),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_a_proxy_of_an_unknown_kind_is_for_does_not_go_past_it_and_the_rest_does() {
        let proxies = Proxies::named_by(|name| match name {
            "HTTPS_PROXY" => Some("ftp://127.0.0.1:9".to_owned()),
            "NO_PROXY" => Some("inside.example".to_owned()),
            _ => None,
        });
        let goes = |to| proxies.for_uri(&Uri::from_static(to)).is_some();
        assert!(goes("https://sandbox.example/"));
        assert!(
            !goes("http://sandbox.example/")
                && !goes("https://inside.example/")
                && !goes("https://127.0.0.1/")
        );
    }

    #[tokio::test]
    async fn a_tunnel_is_what_a_proxy_grants() {
        assert!(tunnelled(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok());
        assert!(tunnelled(b"HTTP/1.1 200 OK\n\n").await.is_ok());
    }

    #[tokio::test]
    async fn what_a_proxy_tells_before_it_decides_is_passed_over() {
        let granted =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert!(tunnelled(granted).await.is_ok());
        let refused = tunnelled(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 407 No\r\n\r\n").await;
        assert_eq!(refused.map(drop).unwrap_err().kind, FaultKind::Proxy);
        let changed = tunnelled(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
        assert_eq!(changed.map(drop).unwrap_err().kind, FaultKind::Proxy);
    }

    #[tokio::test]
    async fn a_proxys_refusal_is_no_status_of_the_gateway() {
        let kind = |answer| async move { tunnelled(answer).await.map(drop).unwrap_err().kind };
        assert_eq!(kind(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await, FaultKind::Proxy);
        assert_eq!(kind(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await, FaultKind::Unreachable);
        assert_eq!(kind(b"HTTP/1.1 503 Unavailable\r\n\r\n").await, FaultKind::Unreachable);
        assert_eq!(kind(b"garbage").await, FaultKind::Unreachable);
    }

    #[test]
    fn loopback_goes_through_no_proxy() {
        let proxies = proxies("http://proxy.example:3128");
        for local in ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/", "https://LOCALHOST/"] {
            assert!(proxies.for_uri(&Uri::from_static(local)).is_none(), "{local}");
        }
        assert!(proxies.for_uri(&Uri::from_static("https://run.blaxel.ai/")).is_some());
    }
}
