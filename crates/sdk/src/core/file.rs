//! Files as bodies.

use std::future::ready;
use std::io::{self, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};

use super::body::BytesBody;
use super::sized::Sized;

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// All of a file.
pub(super) async fn whole(path: &Path) -> io::Result<BytesBody> {
    let file = File::open(path).await?;
    let facts = file.metadata().await?;
    if !facts.is_file() {
        let text = "it is no file that can be opened anew for each attempt: send it as a stream";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if facts.len() > 0 {
        return Ok(next(file, facts.len()));
    }
    // What the system makes while it is read has no length before that.
    let mut chunks = Box::pin(chunks(file));
    Ok(match chunks.next().await.transpose()? {
        None => sized(stream::empty(), 0),
        Some(first) => {
            let all = stream::once(ready(Ok(first))).chain(chunks);
            BodyExt::boxed_unsync(StreamBody::new(all.map_ok(Frame::data)))
        }
    })
}

/// A part of a file.
pub(super) async fn part(path: &Path, start: u64, length: u64) -> io::Result<BytesBody> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(start)).await?;
    Ok(next(file, length))
}

/// The next `length` bytes of a file.
fn next(file: File, length: u64) -> BytesBody {
    sized(chunks(file.take(length)), length)
}

fn sized(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static, length: u64) -> BytesBody {
    BodyExt::boxed_unsync(Sized::new(StreamBody::new(chunks.map_ok(Frame::data).boxed()), length))
}

fn chunks(file: impl AsyncRead + Send + Unpin) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(file, |mut file| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await?;
        Ok((read > 0).then(|| (Bytes::from(chunk), file)))
    })
}
