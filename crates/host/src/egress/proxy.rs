//! The proxy of one sandbox.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::accepting::{HEAD, accept, server};
use super::authority::Authority;
use super::exchange::{self, Came, Terms, Upstream, permitted};
use super::outside::{Place, Target};
use super::plain;
use super::refused::{Answer, Refused, refusal, refused};
use super::{Policy, Rules};

/// What a client says first that wants a secured connection (RFC 8446, section 5.1: a handshake).
const HANDSHAKE: u8 = 0x16;

/// What a proxy answers by.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) terms: Terms,
    /// None where the host could not make one; then no route is carried out.
    pub(super) authority: Option<Arc<Authority>>,
}

/// Serves a proxy until it is given up.
pub(super) async fn serve(listener: TcpListener, proxy: Proxy, connections: usize) -> io::Result<()> {
    let end = proxy.terms.end.clone();
    accept(listener, connections, &end, |stream| connection(stream, proxy.clone())).await
}

/// Ends when a name is not allowed any more.
pub(super) async fn forbidden(mut rules: Rules, name: String) {
    until(&mut rules, |policy| !policy.domains().allow(&name)).await;
}

/// Ends when what is said to a name cannot pass unseen any more.
async fn to_be_read(mut rules: Rules, name: String) {
    until(&mut rules, |policy| policy.domains().depend_on_requests(&name)).await;
}

async fn until(rules: &mut Rules, is_so: impl Fn(&Policy) -> bool) {
    // Where they change no more, the sandbox has ended, which ends everything by itself.
    if rules.wait_for(|policy| is_so(policy)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn connection(stream: TcpStream, proxy: Proxy) {
    let service = service_fn(|request| {
        let proxy = proxy.clone();
        async move {
            let answer = proxy.pass_on(request).await;
            Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(refusal))
        }
    });
    let served = server().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    if let Err(error) = served {
        tracing::debug!(%error, "a sandbox's connection to the outside broke off");
    }
}

impl Proxy {
    async fn pass_on(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        if request.method() == Method::CONNECT {
            return self.connect(request).await;
        }
        let uri = request.uri();
        let Some(host) = uri.host().filter(|_| uri.scheme() == Some(&Scheme::HTTP)) else {
            return Err(refused(StatusCode::BAD_REQUEST, "this is a proxy: it wants http://... or CONNECT"));
        };
        let Some(target) = Target::new(host, uri.port_u16().unwrap_or(80)) else {
            return Err(refused(StatusCode::BAD_REQUEST, "the host has no name"));
        };
        let policy = self.terms.policy();
        permitted(&policy, &target.name, &request)?;
        let stream = self.terms.outside.reach(&policy, &target).await?;
        match self.terms.outside.place(&target) {
            // What a route adds does not cross the internet for everybody to read.
            Place::Outside => plain::pass_on(request, stream, &target, &self.terms).await,
            Place::Doors => {
                let upstream = Upstream::new(target, Place::Doors, stream, self.terms.end.clone());
                exchange::answer(request, &upstream, Came::Plain, &self.terms).await
            }
        }
    }

    /// Opens a tunnel to a target, or what looks like one where a route leads there.
    async fn connect(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        let authority = request.uri().authority();
        let target = authority.and_then(|it| Target::new(it.host(), it.port_u16()?));
        let Some(target) = target else {
            return Err(refused(StatusCode::BAD_REQUEST, "CONNECT wants a name and a port"));
        };
        let policy = self.terms.policy();
        let stream = self.terms.outside.reach(&policy, &target).await?;
        let place = self.terms.outside.place(&target);
        let is_routed = policy.routing().is_some_and(|routing| !routing.to(&target.name).is_empty());
        let is_read = is_routed || policy.domains().depend_on_requests(&target.name);
        let forbidden = forbidden(self.terms.rules.clone(), target.name.clone());
        let end = self.terms.end.clone();
        if place == Place::Doors || is_read {
            let Some(authority) = self.authority.clone() else {
                let why = "the host has no authority, so that nothing there can be read: its log says why";
                return Err(refused(StatusCode::SERVICE_UNAVAILABLE, why));
            };
            let proxy = self.clone();
            tokio::spawn(end.clone().run_until_cancelled_owned(async move {
                let Ok(inside) = hyper::upgrade::on(request).await else { return };
                let upstream = Upstream::new(target, place, stream, end);
                tokio::select! {
                    () = proxy.exchanges(TokioIo::new(inside), upstream, &authority) => {}
                    () = forbidden => {}
                }
            }));
        } else {
            let to_be_read = to_be_read(self.terms.rules.clone(), target.name.clone());
            let mut outside = stream;
            tokio::spawn(end.run_until_cancelled_owned(async move {
                let Ok(inside) = hyper::upgrade::on(request).await else { return };
                let mut inside = TokioIo::new(inside);
                tokio::select! {
                    // Either side may break off when it likes.
                    _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                    () = forbidden => {}
                    () = to_be_read => {}
                }
            }));
        }
        Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed()))
    }

    /// Takes the place of a target, with a certificate for its name, and answers what is asked of it.
    async fn exchanges<I>(&self, inside: I, upstream: Upstream, authority: &Authority)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut reader, writer) = tokio::io::split(inside);
        let mut first = [0];
        match tokio::time::timeout(HEAD, reader.read_exact(&mut first)).await {
            Ok(Ok(_)) => {}
            _ => return,
        }
        let inside = tokio::io::join(io::Cursor::new(first).chain(reader), writer);
        if first != [HANDSHAKE] {
            // What goes through the doors stays on this machine. Anything else is no way to send a secret.
            if upstream.place() == Place::Doors {
                self.answer(inside, upstream, Came::Plain).await;
            }
            return;
        }
        let config = match authority.server(&upstream.target().name) {
            Ok(config) => config,
            Err(error) => return tracing::debug!(%error, "a route has no certificate"),
        };
        match tokio::time::timeout(HEAD, TlsAcceptor::from(config).accept(inside)).await {
            Ok(Ok(inside)) => self.answer(inside, upstream, Came::Secured).await,
            Ok(Err(error)) => tracing::debug!(%error, "a sandbox did not take a certificate"),
            Err(_) => {}
        }
    }

    async fn answer<I>(&self, inside: I, upstream: Upstream, came: Came)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|request| {
            let upstream = &upstream;
            async move {
                let answer = exchange::answer(request, upstream, came, &self.terms).await;
                Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(refusal))
            }
        });
        let served = server().serve_connection(TokioIo::new(inside), service).with_upgrades().await;
        if let Err(error) = served {
            tracing::debug!(%error, "an exchange of a sandbox broke off");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Domains;
    use crate::egress::outside::Outside;
    use tokio::io::AsyncWriteExt as _;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    async fn said(rules: Domains, request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let end = CancellationToken::new();
        let _end = end.clone().drop_guard();
        let (_rules, known) = watch::channel(Arc::new(Policy::from(rules)));
        let terms = Terms::new(Arc::new(Outside::new(None)), known, end);
        tokio::spawn(serve(listener, Proxy { terms, authority: None }, 8));
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
        let (rules, known) = watch::channel(Arc::new(Policy::from(Domains::all())));
        let cut = tokio::spawn(forbidden(known.clone(), "a.example".to_owned()));
        let goes_on = tokio::spawn(forbidden(known, "b.example".to_owned()));
        rules.send_replace(Arc::new(Domains::all_but(["c.example".parse().unwrap()]).into()));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!cut.is_finished() && !goes_on.is_finished());
        rules.send_replace(Arc::new(Domains::new(["b.example".parse().unwrap()], []).into()));
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
