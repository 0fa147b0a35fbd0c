//! A WebSocket over a stream of HTTP/2 (RFC 8441), for whoever asks for one over HTTP/1.1.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use h2::ext::Protocol;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use reveille_http2::Duplex;
use reveille_wire::{hop, websocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::either::Either;

use super::connect::{ConnectFault, Connector};
use super::connection::Stream;
use super::host::{Host, Wish};
use super::kept::{Lease, Leased};
use super::{Trace, evidence};
use crate::core::SendBody;

/// A connection, or a stream of one, that changes over to another protocol.
pub(crate) enum Change {
    Connection(OnUpgrade),
    /// It has; none: and somebody has it.
    Stream(Option<Extended>),
}

/// A stream that has changed over. It is counted for as long as somebody has it.
pub(crate) struct Extended {
    bytes: Duplex,
    _place: Stream,
}

/// The bytes of what has changed over.
pub(crate) type Switched = Either<TokioIo<Upgraded>, Extended>;

/// Where an answer carries its stream.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Extended>>>);

impl Change {
    pub(crate) fn of(extensions: &mut Extensions) -> Option<Self> {
        if let Some(Carried(carried)) = extensions.remove() {
            let stream = carried.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Some(Self::Stream(stream));
        }
        extensions.remove().map(Self::Connection)
    }
}

impl Future for Change {
    type Output = io::Result<Switched>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Switched>> {
        match &mut *self {
            Self::Connection(upgrade) => {
                let upgraded = ready!(Pin::new(upgrade).poll(cx)).map_err(io::Error::other)?;
                Poll::Ready(Ok(Either::Left(TokioIo::new(upgraded))))
            }
            Self::Stream(extended) => {
                let extended = extended.take().ok_or(io::ErrorKind::NotConnected)?;
                Poll::Ready(Ok(Either::Right(extended)))
            }
        }
    }
}

impl Extended {
    /// Has an answer carry it.
    pub(super) fn carried_by(answer: Response<Duplex>, place: Stream) -> Response<()> {
        let (mut head, bytes) = answer.into_parts();
        let extended = Self { bytes, _place: place };
        head.extensions.insert(Carried(Arc::new(Mutex::new(Some(extended)))));
        Response::from_parts(head, ())
    }
}

impl fmt::Debug for Extended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

impl AsyncRead for Extended {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Extended {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
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

    /// Writes the answer that opens it as HTTP/1.1 has it.
    pub(super) fn write_answer<B>(&self, answer: &mut Response<B>) {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.remove(CONTENT_LENGTH);
        hop::write_upgrade(headers, HeaderValue::from_static(websocket::PROTOCOL));
        let key = self.headers.get(SEC_WEBSOCKET_KEY).map(|key| websocket::accept(key.as_bytes()));
        if let Some(accept) = key.and_then(|accept| HeaderValue::try_from(accept).ok()) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
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
