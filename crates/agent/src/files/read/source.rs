//! The bytes of a file, a piece at a time.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use rustix::io::ReadWriteFlags;

use crate::files::disk;

/// How much is read at once, in bytes.
pub(crate) const PIECE: usize = 256 << 10;

/// Where reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Here, and a file that ends before was cut while it was read.
    At(u64),
    /// Wherever the file does: its size is not known, as that of a file of the kernel's.
    Unknown,
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Source {
    file: Arc<File>,
    at: u64,
    end: End,
    room: BytesMut,
    /// The first piece, where it was read before anybody asked for it.
    ahead: Option<Bytes>,
}

impl Source {
    /// Reads `file` from `start` to `end`.
    pub(crate) fn new(file: File, start: u64, end: End) -> Self {
        Self { file: Arc::new(file), at: start, end, room: BytesMut::new(), ahead: None }
    }

    /// Reads the first piece already: an answer that has begun cannot say any more that there is none.
    ///
    /// # Errors
    /// When it cannot be read, or became shorter than it was.
    pub(crate) async fn begun(mut self) -> io::Result<Self> {
        self.ahead = Some(self.next().await?);
        Ok(self)
    }

    /// Whether it has begun, and there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.ahead.as_ref().is_some_and(Bytes::is_empty)
    }

    /// The next piece; an empty one is the end.
    ///
    /// # Errors
    /// When it cannot be read, or became shorter than it was.
    pub(crate) async fn next(&mut self) -> io::Result<Bytes> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(ahead);
        }
        let left = match self.end {
            End::At(end) => end.saturating_sub(self.at),
            End::Unknown => PIECE as u64,
        };
        let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        self.room.resize(wanted, 0);
        let read = match now(&self.file, self.at, &mut self.room) {
            Some(read) => read,
            None => self.later().await?,
        };
        if read == 0 && self.end != End::Unknown {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        self.at += read as u64;
        self.room.truncate(read);
        Ok(self.room.split().freeze())
    }

    /// Reads on a thread that may wait.
    async fn later(&mut self) -> io::Result<usize> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        let mut room = std::mem::take(&mut self.room);
        let (room, read) = disk::io(move || {
            let read = std::os::unix::fs::FileExt::read_at(&*file, &mut room, at)?;
            Ok((room, read))
        })
        .await?;
        self.room = room;
        Ok(read)
    }

    /// All of it as a body.
    pub(crate) fn body(self) -> Body {
        Body::from_stream(futures_util::stream::try_unfold(self, |mut source| async move {
            let piece = source.next().await?;
            io::Result::Ok((!piece.is_empty()).then_some((piece, source)))
        }))
    }
}

/// Reads what is in the kernel's memory; nothing when it is not there.
fn now(file: &File, at: u64, room: &mut [u8]) -> Option<usize> {
    let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(room)], at, ReadWriteFlags::NOWAIT).ok()?;
    // The kernel also says nothing where it would have to wait for the end of the file.
    (read > 0).then_some(read)
}
