//! The proxy of one sandbox.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reveille_wire::hop;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::Domains;
use super::address::is_outside;

/// How long connecting to one address may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// How long is waited where no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Why a request is not passed on, as its sender is told.
struct Refused {
    status: StatusCode,
    why: String,
}

/// Serves a proxy until it is given up.
pub(super) async fn serve(
    listener: TcpListener,
    rules: Rules,
    connections: usize,
    end: CancellationToken,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a sandbox's connection to the outside was not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (rules, end) = (rules.clone(), end.clone());
        tokio::spawn(async move {
            end.clone().run_until_cancelled_owned(connection(stream, rules, end)).await;
            drop(place);
        });
    }
}

/// What is allowed, as it changes.
type Rules = watch::Receiver<Arc<Domains>>;

/// Ends when a name is not allowed any more.
async fn forbidden(mut rules: Rules, name: String) {
    // Where they change no more, the sandbox has ended, which ends everything by itself.
    if rules.wait_for(|rules| !rules.allow(&name)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn connection(stream: TcpStream, rules: Rules, end: CancellationToken) {
    let service = service_fn(|request| {
        let (rules, end) = (rules.clone(), end.clone());
        async move {
            let answer = pass_on(request, rules, end).await;
            Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(refusal))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a sandbox's connection to the outside broke off");
    }
}

async fn pass_on(
    request: Request<Incoming>,
    rules: Rules,
    end: CancellationToken,
) -> Result<Answer, Refused> {
    if request.method() == Method::CONNECT {
        return tunnel(request, rules, end).await;
    }
    let uri = request.uri();
    let Some(host) = uri.host().filter(|_| uri.scheme() == Some(&Scheme::HTTP)) else {
        return Err(refused(StatusCode::BAD_REQUEST, "this is a proxy: it wants http://... or CONNECT"));
    };
    let stream = reach(&rules, host, uri.port_u16().unwrap_or(80)).await?;
    let until = forbidden(rules, bare(host).to_owned());
    let request = for_the_origin(request)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| refused(StatusCode::BAD_GATEWAY, error.to_string()))?;
    tokio::spawn(end.run_until_cancelled_owned(async move {
        tokio::select! {
            _ = connection => {}
            () = until => {}
        }
    }));
    let mut answer = sender
        .send_request(request)
        .await
        .map_err(|error| refused(StatusCode::BAD_GATEWAY, error.to_string()))?;
    hop::strip(answer.headers_mut()).map_err(|_| {
        refused(StatusCode::BAD_GATEWAY, "the answer has a transfer coding that is not known")
    })?;
    Ok(answer.map(BodyExt::boxed))
}

/// The request as the server behind the proxy is to see it (RFC 9112, section 3.2).
fn for_the_origin(mut request: Request<Incoming>) -> Result<Request<Incoming>, Refused> {
    let bad = |why: &str| refused(StatusCode::BAD_REQUEST, why);
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = HeaderValue::try_from(authority.unwrap_or_default()).map_err(|_| bad("the host is none"))?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| bad("the path is none"))?;
    let headers = request.headers_mut();
    hop::strip(headers).map_err(|_| bad("the request has a transfer coding that is not known"))?;
    headers.remove(header::PROXY_AUTHORIZATION);
    headers.insert(header::HOST, host);
    Ok(request)
}

async fn tunnel(request: Request<Incoming>, rules: Rules, end: CancellationToken) -> Result<Answer, Refused> {
    let authority = request.uri().authority().cloned();
    let Some((authority, port)) = authority.and_then(|it| it.port_u16().map(|port| (it, port))) else {
        return Err(refused(StatusCode::BAD_REQUEST, "CONNECT wants a name and a port"));
    };
    let mut outside = reach(&rules, authority.host(), port).await?;
    tokio::spawn(end.run_until_cancelled_owned(async move {
        if let Ok(inside) = hyper::upgrade::on(request).await {
            let mut inside = TokioIo::new(inside);
            tokio::select! {
                // Either side may break off when it likes.
                _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                () = forbidden(rules, bare(authority.host()).to_owned()) => {}
            }
        }
    }));
    Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed()))
}

/// Connects to a name, where the rules allow it, at an address that is outside.
async fn reach(rules: &Rules, host: &str, port: u16) -> Result<TcpStream, Refused> {
    let name = bare(host);
    let is_allowed = rules.borrow().allow(name);
    if !is_allowed {
        return Err(refused(
            StatusCode::FORBIDDEN,
            format!("{host} is not among what this sandbox may reach"),
        ));
    }
    let found = tokio::net::lookup_host((name, port)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| refused(StatusCode::BAD_GATEWAY, format!("{host} is not found: {error}")))?
        .filter(|address| is_outside(address.ip()))
        .collect();
    if found.is_empty() {
        let why = format!("{host} is at no address outside this machine and its network");
        return Err(refused(StatusCode::FORBIDDEN, why));
    }
    let mut last = None;
    for address in found {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Some(refused(StatusCode::BAD_GATEWAY, format!("{host}: {error}"))),
            Err(_) => last = Some(refused(StatusCode::GATEWAY_TIMEOUT, format!("{host} does not answer"))),
        }
    }
    Err(last.unwrap_or_else(|| refused(StatusCode::BAD_GATEWAY, format!("{host} cannot be reached"))))
}

/// A host without the brackets of an address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
    Refused { status, why: why.into() }
}

fn refusal(Refused { status, mut why }: Refused) -> Answer {
    why.push('\n');
    let body = Full::from(why).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn said(rules: Domains, request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let end = CancellationToken::new();
        let _end = end.clone().drop_guard();
        let (_rules, known) = watch::channel(Arc::new(rules));
        tokio::spawn(serve(listener, known, 8, end));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn the_machine_itself_is_not_reached() {
        for request in [
            "CONNECT 127.0.0.1:1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "CONNECT localhost:1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "CONNECT [::1]:1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "GET http://169.254.169.254/latest HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        ] {
            let said = said(Domains::all(), request).await;
            assert!(said.starts_with("HTTP/1.1 403") && said.contains("outside"), "{request}{said}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_not_allowed_is_not_looked_up() {
        let rules = Domains::new(["example.com".parse().unwrap()], []);
        let request = "CONNECT other.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let said = said(rules, request).await;
        assert!(said.starts_with("HTTP/1.1 403") && said.contains("may reach"), "{said}");
    }

    #[tokio::test]
    async fn what_is_not_allowed_any_more_is_cut_and_the_rest_goes_on() {
        let (rules, known) = watch::channel(Arc::new(Domains::all()));
        let cut = tokio::spawn(forbidden(known.clone(), "a.example".to_owned()));
        let goes_on = tokio::spawn(forbidden(known, "b.example".to_owned()));
        rules.send_replace(Arc::new(Domains::all_but(["c.example".parse().unwrap()])));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!cut.is_finished() && !goes_on.is_finished());
        rules.send_replace(Arc::new(Domains::new(["b.example".parse().unwrap()], [])));
        cut.await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!goes_on.is_finished());
        drop(rules);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!goes_on.is_finished(), "the end of a sandbox is told otherwise");
        goes_on.abort();
    }

    #[tokio::test]
    async fn what_is_no_request_to_a_proxy_is_refused() {
        for request in [
            "GET / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n",
            "CONNECT example.com HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "GET ftp://example.com/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        ] {
            let said = said(Domains::all(), request).await;
            assert!(said.starts_with("HTTP/1.1 400"), "{request}{said}");
        }
    }
}
