//! Bodies that come compressed, for `--compressed`.

use std::future::ready;
use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder};
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use http::header::CONTENT_ENCODING;
use reveille::{Bytes, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::report::Failure;

/// What is asked for.
pub(super) const ACCEPTED: &str = "gzip, deflate, br";
/// The method of what is in a wrapper of zlib (RFC 1950, 2.2).
const DEFLATE_IN_ZLIB: u8 = 8;
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

    /// Unpacks what begins with this byte.
    fn reader(
        self,
        first: u8,
        from: impl AsyncBufRead + Send + Unpin + 'static,
    ) -> Pin<Box<dyn AsyncRead + Send>> {
        match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(from);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            // Some leave out the wrapper that the name stands for (RFC 9110, 8.4.1.2), which begins with its method.
            Self::Deflate if first & 0x0f != DEFLATE_IN_ZLIB => Box::pin(DeflateDecoder::new(from)),
            Self::Deflate => Box::pin(ZlibDecoder::new(from)),
            Self::Brotli => Box::pin(BrotliDecoder::new(from)),
        }
    }

    /// The pieces of what comes. Nothing is nothing, in every coding.
    pub(super) fn unpack(
        self,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
        let mut pieces = pieces.try_filter(|piece| ready(!piece.is_empty())).peekable();
        let unpacked = async move {
            let first = match Pin::new(&mut pieces).peek().await {
                None => None,
                // It is met once more where it is read.
                Some(Err(_)) => Some(0),
                Some(Ok(piece)) => piece.first().copied(),
            };
            let reader = first.map(|first| self.reader(first, StreamReader::new(pieces)));
            stream::iter(reader).flat_map(ReaderStream::new)
        };
        Box::pin(unpacked.flatten_stream())
    }

    /// All of what came.
    pub(super) async fn unpack_whole(self, body: &Bytes) -> Result<Bytes, Failure> {
        let mut pieces = self.unpack(stream::iter([Ok(body.clone())]));
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
