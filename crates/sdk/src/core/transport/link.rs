//! The bytes of one connection, secured or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;

use super::permits::Permit;

/// A way to the peer: direct, through a tunnel, or through a tunnel of a proxy that is itself spoken to by TLS.
pub(super) enum Wire {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Secured(Box<TlsStream<TcpStream>>),
}

enum Stream {
    Plain(Wire),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Wire>>),
}

/// A connection.
pub(super) struct Link {
    stream: Stream,
    greeting: Greeting,
    /// Given back when it is closed, and not before.
    _permit: Permit,
}

/// How far two peers of HTTP/2 are with their settings.
enum Greeting {
    NotWatched,
    /// Nothing has come.
    Awaited(oneshot::Sender<()>),
    /// The peer's settings have come; what is written next acknowledges them.
    Heard(oneshot::Sender<()>),
}

impl Link {
    pub(super) fn plain(wire: Wire, permit: Permit) -> Self {
        Self { stream: Stream::Plain(wire), greeting: Greeting::NotWatched, _permit: permit }
    }

    #[cfg(feature = "tls")]
    pub(super) fn secured(stream: TlsStream<Wire>, permit: Permit) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), greeting: Greeting::NotWatched, _permit: permit }
    }

    /// Tells when the settings of the peer (RFC 9113, section 6.5) hold.
    pub(super) fn watch_greeting(&mut self) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.greeting = Greeting::Awaited(tell);
        told
    }

    fn heard(&mut self) {
        if let Greeting::Awaited(_) = self.greeting
            && let Greeting::Awaited(tell) = std::mem::replace(&mut self.greeting, Greeting::NotWatched)
        {
            self.greeting = Greeting::Heard(tell);
        }
    }

    fn spoke(&mut self) {
        if let Greeting::Heard(_) = self.greeting
            && let Greeting::Heard(tell) = std::mem::replace(&mut self.greeting, Greeting::NotWatched)
        {
            // Nobody listens where the connection has ended.
            let _ = tell.send(());
        }
    }
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Stream::Plain(Wire::Tcp($stream)) => $call,
            #[cfg(feature = "tls")]
            Stream::Plain(Wire::Secured($stream)) => $call,
            #[cfg(feature = "tls")]
            Stream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = each!(&mut this.stream, stream => Pin::new(stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            this.heard();
        }
        read
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.spoke();
        each!(&mut this.stream, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().stream, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().stream, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        each!(&self.stream, stream => stream.is_write_vectored())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.spoke();
        each!(&mut this.stream, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }
}

macro_rules! each_wire {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Wire::Tcp($stream) => $call,
            #[cfg(feature = "tls")]
            Wire::Secured($stream) => $call,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each_wire!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each_wire!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_wire!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_wire!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        each_wire!(self, stream => stream.is_write_vectored())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each_wire!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }
}
