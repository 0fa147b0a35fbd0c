//! Connections to ports of the sandbox for whoever holds the agent's socket: made here, used there.
//!
//! A descriptor that is handed over a unix socket keeps the network namespace that it was made in. So whoever may ask
//! the agent gets a connection to a port inside, and speaks to the server there without the agent in between. What
//! goes over the socket is described in `reveille_wire::handover`.

use std::io;
use std::os::fd::AsFd as _;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Request, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use reveille_http1::Lingering;
use reveille_wire::handover::{self, Outcome};
use reveille_wire::hop;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::{TcpStream, UnixStream};

use super::connect::{NoWay, connect};
use crate::failure::Failure;
use crate::listener::Stream;

/// Whether a request asks for this.
pub(crate) fn is_asked_for(request: &Request<Body>) -> bool {
    request.uri().path() == handover::PATH
        && hop::upgrade(request.headers()).is_some_and(|protocol| protocol == handover::PROTOCOL)
}

/// Agrees, and hands over connections until the other side is gone.
pub(crate) fn begin(mut request: Request<Body>) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = serve(upgrade).await {
            tracing::debug!(%error, "connections are not handed over any more");
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    hop::write_upgrade(response.headers_mut(), HeaderValue::from_static(handover::PROTOCOL));
    response
}

/// The answer where the other side cannot take a descriptor.
pub(crate) fn impossible() -> Response {
    Failure::bad("connections are handed over a unix socket only").into_response()
}

async fn serve(upgrade: OnUpgrade) -> io::Result<()> {
    let mut stream = unix(upgrade.await.map_err(io::Error::other)?)?;
    loop {
        let mut question = [0; handover::QUESTION];
        match stream.read_exact(&mut question).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let Some(port) = handover::port(question) else { return Err(io::ErrorKind::InvalidData.into()) };
        match connect(port).await {
            Ok(connection) => give(&stream, &connection).await?,
            Err(NoWay::NotListening(_)) => say(&stream, Outcome::NotListening).await?,
            Err(NoWay::NotAccepting) => say(&stream, Outcome::NotAccepting).await?,
        }
    }
}

fn unix(upgraded: Upgraded) -> io::Result<UnixStream> {
    let not_unix = || io::Error::other("the connection is no unix socket");
    let parts = upgraded.downcast::<TokioIo<Lingering<Stream>>>().map_err(|_| not_unix())?;
    match parts.io.into_inner().into_inner() {
        // Whoever asks waits for the word before it says more.
        Stream::Left(stream) if parts.read_buf.is_empty() => Ok(stream),
        Stream::Left(_) | Stream::Right(_) => Err(not_unix()),
    }
}

async fn say(stream: &UnixStream, outcome: Outcome) -> io::Result<()> {
    let byte = [outcome.byte()];
    let write = || {
        rustix::net::send(stream, &byte, SendFlags::NOSIGNAL)?;
        Ok(())
    };
    stream.async_io(Interest::WRITABLE, write).await
}

async fn give(stream: &UnixStream, connection: &TcpStream) -> io::Result<()> {
    let byte = [Outcome::Connected.byte()];
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = [connection.as_fd()];
            if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
                return Err(io::Error::other("there is no space for a descriptor"));
            }
            let data = [io::IoSlice::new(&byte)];
            rustix::net::sendmsg(stream, &data, &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        })
        .await
}
