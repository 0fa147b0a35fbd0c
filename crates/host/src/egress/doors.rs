//! The host's previews on a sandbox's own loopback, for programs that ask no proxy for what is there.

use std::io;
use std::net::TcpListener;

use http::uri::Authority;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::accepting::{accept, server};
use super::exchange::{self, Came, Terms, Upstream};
use super::outside::{Place, Target};
use super::refused::{Answer, Refused, refusal, refused};

/// Serves the previews until they are given up.
pub(super) async fn serve(listener: TcpListener, terms: Terms, connections: usize) -> io::Result<()> {
    let end = terms.end.clone();
    accept(listener, connections, &end, |stream| connection(stream, terms.clone())).await
}

async fn connection(stream: TcpStream, terms: Terms) {
    let service = service_fn(|request| {
        let terms = terms.clone();
        async move {
            let answer = visit(request, &terms).await;
            Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(refusal))
        }
    });
    let served = server().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    if let Err(error) = served {
        tracing::debug!(%error, "a sandbox's connection to a preview broke off");
    }
}

async fn visit(request: Request<Incoming>, terms: &Terms) -> Result<Answer, Refused> {
    let named =
        request.headers().get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let target = named.and_then(|named| Target::new(named.host(), named.port_u16().unwrap_or(80)));
    let Some(target) = target.filter(|target| terms.outside.place(target) == Place::Doors) else {
        return Err(refused(StatusCode::FORBIDDEN, "of this host a sandbox reaches previews only"));
    };
    let stream = terms.outside.reach(&terms.policy(), &target).await?;
    let upstream = Upstream::new(target, Place::Doors, stream, terms.end.clone());
    exchange::answer(request, &upstream, Came::Plain, terms).await
}
