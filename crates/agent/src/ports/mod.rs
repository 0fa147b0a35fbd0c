//! `/port/{port}/...`: the way to HTTP servers inside the sandbox.
//!
//! A request goes out on a connection of its own, so that whether it reached the server is never in doubt because of a
//! connection that was closed meanwhile. Bodies pass through as they come, both ways, and one that is cut on one side
//! is cut on the other.

mod hops;
mod upgrade;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{EXPECT, HOST};
use http::{HeaderValue, Request, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reveille_wire::Port;
use tokio::net::TcpStream;

use self::upgrade::Upgrade;
use crate::failure::Failure;

/// How long a connection may take. On loopback it takes longer only when the server does not accept any.
const CONNECT: Duration = Duration::from_secs(5);

/// What a request below `/port/` is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    port: &'a str,
    /// With its query, as it came.
    path: &'a str,
}

impl<'a> Target<'a> {
    /// What `uri` names; nothing when it is not below `/port/`.
    pub(crate) fn of(uri: &'a Uri) -> Option<Self> {
        let rest = uri.path_and_query()?.as_str().strip_prefix("/port/")?;
        let (port, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Some(Self { port, path })
    }
}

/// Hands `request` on to the server that listens on the port, and its answer back.
///
/// # Errors
/// When the port is none, nothing listens there, or what listens there gives no answer.
pub(crate) async fn forward(mut request: Request<Incoming>) -> Result<Response, Failure> {
    let target = Target::of(request.uri()).ok_or_else(|| Failure::absent("there is no such endpoint"))?;
    let port: Port = target.port.parse().map_err(|error| Failure::bad(format!("{error}")))?;
    let slash = if target.path.starts_with('/') { "" } else { "/" };
    let uri: Uri = format!("{slash}{}", target.path)
        .parse()
        .map_err(|error| Failure::bad(format!("the path cannot be used: {error}")))?;
    let upgrade = Upgrade::asked_for(&mut request);
    prepare(&mut request, uri, port);
    if let Some(upgrade) = &upgrade {
        upgrade.write(request.headers_mut());
    }
    let stream = connect(port).await?;
    let no_answer = |error| Failure::gateway(format!("the server on port {port} gave no answer: {error}"));
    let (mut sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(no_answer)?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender.send_request(request).await.map_err(no_answer)?;
    let agreed = upgrade.and_then(|upgrade| upgrade.agreed(&mut response));
    hops::strip(response.headers_mut());
    if let Some(agreed) = agreed {
        agreed.write(response.headers_mut());
        agreed.begin();
    }
    Ok(response.map(Body::new))
}

fn prepare(request: &mut Request<Incoming>, uri: Uri, port: Port) {
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    hops::strip(headers);
    // Whoever waits for a word to go on gets it here, as soon as the body is asked for.
    headers.remove(EXPECT);
    if !headers.contains_key(HOST) {
        let host = HeaderValue::from_str(&format!("127.0.0.1:{port}"));
        headers.extend(host.ok().map(|host| (HOST, host)));
    }
}

/// Connects to whatever listens on `port` of this machine: over IPv4, or where that is refused over IPv6.
async fn connect(port: Port) -> Result<TcpStream, Failure> {
    let mut refused = String::new();
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let address = SocketAddr::new(ip, port.get());
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // It only makes small writes slower.
                let _slower = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) if refused.is_empty() => refused = error.to_string(),
            Ok(Err(_)) => {}
            Err(_) => {
                return Err(Failure::gateway(format!(
                    "the server on port {port} takes no connections: none within {} s",
                    CONNECT.as_secs()
                )));
            }
        }
    }
    Err(Failure::gateway(format!("nothing listens on port {port} in this sandbox: {refused}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_port_stays_as_it_came() {
        for (uri, port, path) in [
            ("/port/80", "80", ""),
            ("/port/80/", "80", "/"),
            ("/port/80?a=/b", "80", "?a=/b"),
            ("/port/80//a%2Fb/../c?x=%20", "80", "//a%2Fb/../c?x=%20"),
            ("/port/", "", ""),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(Target::of(&uri), Some(Target { port, path }), "{uri}");
        }
        assert_eq!(Target::of(&"/ports/80".parse().unwrap()), None);
    }
}
