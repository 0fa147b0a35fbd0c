//! Requests that turn their connection into something else, such as a WebSocket.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::hops;

/// A change of protocol that a client asked for.
#[derive(Debug)]
pub(crate) struct Upgrade {
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

impl Upgrade {
    /// What `request` asks for, if it does.
    pub(crate) fn asked_for(request: &mut Request<Incoming>) -> Option<Self> {
        let asks = |value: &HeaderValue| hops::words(value).any(|word| word.eq_ignore_ascii_case("upgrade"));
        if !request.headers().get_all(CONNECTION).iter().any(asks) {
            return None;
        }
        let protocol = request.headers().get(UPGRADE)?.clone();
        Some(Self { protocol, client: hyper::upgrade::on(request) })
    }

    /// Asks the next hop for the same.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        write(headers, &self.protocol);
    }

    /// What the server made of it; nothing when it answered in plain HTTP.
    pub(crate) fn agreed(self, response: &mut Response<Incoming>) -> Option<Agreed> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return None;
        }
        let protocol = response.headers().get(UPGRADE).cloned().unwrap_or(self.protocol);
        Some(Agreed { protocol, client: self.client, server: hyper::upgrade::on(response) })
    }
}

impl Agreed {
    /// Tells the client.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        write(headers, &self.protocol);
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

fn write(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol.clone());
}
