//! The body of an answer, and how an exchange breaks.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::Streamed;
use super::read::Arriving;

/// The body of an answer. Whoever reads it moves the bytes of its connection.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To a read.
    Read(Arriving),
    /// To anything else.
    Streamed(Streamed),
}

/// How a connection broke.
#[derive(Debug)]
pub(crate) enum Broken {
    Http(hyper::Error),
    Io(io::Error),
    /// What came is no HTTP.
    Malformed(&'static str),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http(error) => error.source(),
            Self::Io(error) => error.source(),
            Self::Malformed(_) => None,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Read(arriving) => arriving.poll_frame(cx),
            Self::Streamed(streamed) => streamed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Read(arriving) => arriving.is_over(),
            Self::Streamed(streamed) => streamed.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Read(arriving) => arriving.size_hint(),
            Self::Streamed(streamed) => streamed.size_hint(),
        }
    }
}
