//! Forward proxies, as the environment names them (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).

use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reveille_retry::FaultKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connect::ConnectFault;

/// The largest head of a proxy's answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Which proxy a request goes through. Loopback never goes through one.
pub(super) struct Proxies(Matcher);

impl Proxies {
    pub(super) fn from_env() -> Self {
        Self(Matcher::from_env())
    }

    pub(super) fn for_uri(&self, uri: &Uri) -> Option<Proxy> {
        if is_loopback(uri.host()?) {
            return None;
        }
        self.0.intercept(uri).map(Proxy)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// One forward proxy.
pub(super) struct Proxy(Intercept);

impl Proxy {
    pub(super) fn uri(&self) -> &Uri {
        self.0.uri()
    }

    /// Asks for a tunnel (RFC 9110, section 9.3.6). What the proxy answers is the proxy's, and never a
    /// status of the gateway.
    pub(super) async fn tunnel(&self, to: &Uri, mut stream: TcpStream) -> Result<TcpStream, ConnectFault> {
        let broken = |error| ConnectFault::new(FaultKind::Unreachable, error);
        let host = to.host().unwrap_or_default();
        let authority = format!("{host}:{}", to.port_u16().unwrap_or(443));
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
        if let Some(login) = self.0.basic_auth().map(HeaderValue::as_bytes) {
            request.extend([b"Proxy-Authorization: ", login, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        stream.write_all(&request).await.map_err(broken)?;
        match read_status(&mut stream).await.map_err(broken)? {
            200..=299 => Ok(stream),
            status @ (502..=504) => Err(ConnectFault::new(
                FaultKind::Unreachable,
                format!("the proxy answered {status} to CONNECT"),
            )),
            status => {
                Err(ConnectFault::new(FaultKind::Proxy, format!("the proxy answered {status} to CONNECT")))
            }
        }
    }
}

async fn read_status(stream: &mut TcpStream) -> std::io::Result<u16> {
    let mut head = Vec::new();
    // Byte by byte, as what follows the head belongs to TLS.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(&head) {
        Ok(httparse::Status::Complete(_)) => Ok(answer.code.unwrap_or_default()),
        _ => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "the proxy's answer is no HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn proxies(address: &str) -> Proxies {
        Proxies(Matcher::builder().all(address.to_owned()).build())
    }

    async fn tunnelled(answer: &'static [u8]) -> Result<TcpStream, ConnectFault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"CONNECT sandbox.example:443 HTTP/1.1\r\n"));
            stream.write_all(answer).await.unwrap();
        });
        let target = Uri::from_static("https://sandbox.example/x");
        let proxy = proxies(&format!("http://{address}")).for_uri(&target).unwrap();
        proxy.tunnel(&target, TcpStream::connect(address).await.unwrap()).await
    }

    #[tokio::test]
    async fn a_tunnel_is_what_a_proxy_grants() {
        assert!(tunnelled(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok());
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
