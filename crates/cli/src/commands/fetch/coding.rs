//! Bodies that come compressed, for `--compressed`.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::header::CONTENT_ENCODING;
use reveille::{Bytes, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::report::Failure;

/// What is asked for.
pub(super) const ACCEPTED: &str = "gzip, deflate, br";
/// The most that is made of a body that is held in memory, in bytes.
const MOST_HELD: usize = 256 * 1024 * 1024;

/// How a body is compressed (RFC 9110, 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

impl Coding {
    /// The one that headers name; nothing where the body is as it is, or in a way that was not asked for.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let name = headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase();
        match name.as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            _ => None,
        }
    }

    fn reader(self, from: impl AsyncBufRead + Send + Unpin + 'static) -> Pin<Box<dyn AsyncRead + Send>> {
        match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(from);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Self::Deflate => Box::pin(ZlibDecoder::new(from)),
            Self::Brotli => Box::pin(BrotliDecoder::new(from)),
        }
    }

    /// The pieces of what comes.
    pub(super) fn unpack(
        self,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
        ReaderStream::new(self.reader(StreamReader::new(pieces)))
    }

    /// All of what came.
    pub(super) async fn unpack_whole(self, body: &Bytes) -> Result<Bytes, Failure> {
        // Nothing is nothing, in every coding.
        if body.is_empty() {
            return Ok(Bytes::new());
        }
        let once = futures_util::stream::iter([Ok(body.clone())]);
        let mut pieces = self.unpack(once);
        let mut whole = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| broken(&error))?;
            if whole.len() + piece.len() > MOST_HELD {
                return Err(Failure::new("unpacked, the body is too large to be held in memory")
                    .next("stream it: -o FILE, or --no-buffer"));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }
}

/// A body that is not what its headers say.
pub(super) fn broken(error: &io::Error) -> Failure {
    Failure::io("the body cannot be unpacked", error)
}

/// A stream of this crate's errors as a reader wants them.
pub(super) fn as_io<E: std::error::Error + Send + Sync + 'static>(
    pieces: impl Stream<Item = Result<Bytes, E>>,
) -> impl Stream<Item = io::Result<Bytes>> {
    pieces.map_err(io::Error::other)
}
