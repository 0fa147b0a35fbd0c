use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Begun;
use crate::core::transport::{Change, Switched};
use crate::record::Record;

/// A connection that changes over to another protocol: bytes in both directions, until the deadline of its call. To
/// drop it closes it.
pub(crate) struct Changed {
    headers: HeaderMap,
    record: Record,
    stage: Stage,
    until: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// The runtime that the connection belongs to.
    runtime: Option<Handle>,
}

enum Stage {
    /// Both ends are about to have changed over.
    Coming(Change),
    Here(Switched),
    Gone,
}

impl Changed {
    pub(crate) fn of(answer: Box<Begun>) -> Self {
        let Begun { headers, body, change, record, .. } = *answer;
        let stage = change.map_or(Stage::Gone, Stage::Coming);
        let until = body.until().map(Instant::from_std);
        Self { headers, record, stage, until, alarm: None, runtime: Handle::try_current().ok() }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The connection, once it is there, and until the deadline.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Switched>> {
        if let Some(until) = self.until {
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if alarm.as_mut().poll(cx).is_ready() {
                self.stage = Stage::Gone;
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        if let Stage::Coming(coming) = &mut self.stage {
            self.stage = match ready!(Pin::new(coming).poll(cx)) {
                Ok(switched) => Stage::Here(switched),
                Err(error) => {
                    self.stage = Stage::Gone;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match &mut self.stage {
            Stage::Here(connection) => Ok(connection),
            Stage::Coming(_) | Stage::Gone => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

/// Does something to the connection, on the runtime that it belongs to.
macro_rules! on_connection {
    ($self:ident, $cx:ident, $connection:ident => $call:expr) => {{
        let this = $self.get_mut();
        let runtime = this.runtime.clone();
        let _entered = runtime.as_ref().map(Handle::enter);
        let $connection = Pin::new(ready!(this.poll_connection($cx))?);
        $call
    }};
}

impl AsyncRead for Changed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_connection!(self, cx, connection => connection.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Changed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_connection!(self, cx, connection => connection.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_connection!(self, cx, connection => connection.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_connection!(self, cx, connection => connection.poll_shutdown(cx))
    }
}
