//! A WebSocket over a stream of HTTP/2 (RFC 8441), for whoever asks for one over HTTP/1.1.

use std::fmt;
use std::sync::Arc;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use reveille_wire::{hop, websocket};

use super::connect::{ConnectFault, Connector};
use super::connection::Stream;
use super::host::{Host, Wish};
use super::kept::{Lease, Leased};
use super::{Trace, evidence};
use crate::core::SendBody;

/// A connection, or a stream of one, that changes over to another protocol.
pub(crate) struct Change {
    pub(crate) upgrade: OnUpgrade,
    /// It is counted for as long as somebody has it.
    pub(crate) place: Option<Place>,
}

/// The place on its connection of what has changed over.
#[derive(Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "it is counted until it is dropped")] Arc<Stream>);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Place {
    pub(super) fn of(stream: Stream) -> Self {
        Self(Arc::new(stream))
    }
}

impl Change {
    pub(crate) fn of(extensions: &mut Extensions) -> Option<Self> {
        let upgrade = extensions.remove()?;
        Some(Self { upgrade, place: extensions.remove() })
    }
}

/// A request for a WebSocket as it was, while it is written as an extended CONNECT.
pub(super) struct Asked {
    method: Method,
    headers: HeaderMap,
}

impl Asked {
    /// Writes a request for HTTP/2.
    pub(super) fn write(request: &mut Request<SendBody>) -> Self {
        let asked = Self { method: request.method().clone(), headers: request.headers().clone() };
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static(websocket::PROTOCOL));
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY, CONTENT_LENGTH, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
        asked
    }

    /// The request as it was, where none of it was written.
    pub(super) fn undo(self, request: &mut Request<SendBody>) {
        request.extensions_mut().remove::<Protocol>();
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
    }

    /// Writes the answer that opens it as HTTP/1.1 has it, and whether this is one.
    pub(super) fn is_opened_by<B>(&self, answer: &mut Response<B>) -> bool {
        if answer.status() != StatusCode::OK {
            return false;
        }
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.remove(CONTENT_LENGTH);
        hop::write_upgrade(headers, HeaderValue::from_static(websocket::PROTOCOL));
        let key = self.headers.get(SEC_WEBSOCKET_KEY).map(|key| websocket::accept(key.as_bytes()));
        if let Some(accept) = key.and_then(|accept| HeaderValue::try_from(accept).ok()) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        true
    }
}

impl Host {
    /// A place for a WebSocket: on a connection of HTTP/1.1, and on a stream where the peer speaks nothing but HTTP/2.
    pub(super) async fn for_websocket(
        &self,
        connector: &Connector,
        wish: Wish,
        trace: &Trace,
    ) -> Result<Leased, ConnectFault> {
        if connector.knows_http2(self.origin()) || self.is_http2_only() {
            if let Some(leased) = self.extended(connector, wish, trace).await? {
                return Ok(leased);
            }
            return self.connect_upgradable(connector, self.permit(wish, trace).await?).await;
        }
        match self.connect_upgradable(connector, self.permit(wish, trace).await?).await {
            Err(fault) if evidence::is_refused_version(&fault) => self.note_http2_only(),
            made => return made,
        }
        self.extended(connector, wish, trace).await?.ok_or_else(evidence::of_no_websocket)
    }

    /// A stream on a connection whose peer takes WebSockets on it.
    async fn extended(
        &self,
        connector: &Connector,
        wish: Wish,
        trace: &Trace,
    ) -> Result<Option<Leased>, ConnectFault> {
        let leased = self.for_any(connector, wish, trace).await?;
        let takes = match &leased.lease {
            Lease::Http1(_) => true,
            Lease::Http2(stream) => stream.connection().takes_websockets().await,
        };
        Ok(takes.then_some(leased))
    }
}
