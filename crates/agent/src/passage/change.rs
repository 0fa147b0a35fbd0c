//! Requests that turn their connection into something else, such as a WebSocket.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use reveille_wire::hop;

/// A change of protocol that a client asked for.
#[derive(Debug)]
pub(crate) struct Change {
    protocol: HeaderValue,
    client: OnUpgrade,
}

/// A change of protocol that the server agreed to.
#[derive(Debug)]
pub(crate) struct Agreed {
    protocol: HeaderValue,
    client: OnUpgrade,
    server: OnUpgrade,
}

impl Change {
    /// What `request` asks for, if it does.
    pub(crate) fn asked_for(request: &mut Request<Body>) -> Option<Self> {
        let protocol = hop::upgrade(request.headers())?;
        Some(Self { protocol, client: hyper::upgrade::on(request) })
    }

    /// Asks the next hop for the same.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        hop::write_upgrade(headers, self.protocol.clone());
    }

    /// What the server made of it; nothing when it answered in plain HTTP.
    pub(crate) fn agreed(self, response: &mut Response<Incoming>) -> Option<Agreed> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return None;
        }
        let protocol = hop::upgrade(response.headers()).unwrap_or(self.protocol);
        Some(Agreed { protocol, client: self.client, server: hyper::upgrade::on(response) })
    }
}

impl Agreed {
    /// Tells the client.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        hop::write_upgrade(headers, self.protocol.clone());
    }

    /// Hands bytes to and fro, once both sides have changed over, until one of them is gone.
    pub(crate) fn begin(self) {
        tokio::spawn(async move {
            let (client, server) = match tokio::try_join!(self.client, self.server) {
                Ok(both) => both,
                Err(error) => return tracing::debug!(%error, "a connection did not change over"),
            };
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut server).await {
                tracing::debug!(%error, "a connection that had changed over broke off");
            }
        });
    }
}
