//! An answer that comes line by line.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;

use crate::answer::StreamResponse;
use crate::error::Error;

/// The longest line, in bytes: a result holds the tails of all its output.
const LONGEST: usize = 16 * 1024 * 1024;

/// The lines of an answer, as they come.
#[derive(Debug)]
pub(super) struct Lines {
    response: StreamResponse,
    buffer: BytesMut,
    /// So much of the buffer holds no end of a line.
    searched: usize,
}

impl Lines {
    pub(super) fn of(response: StreamResponse) -> Self {
        Self { response, buffer: BytesMut::new(), searched: 0 }
    }

    pub(super) fn response(&self) -> &StreamResponse {
        &self.response
    }

    /// The next line, without its end; nothing at the end of the answer. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the answer breaks off: then what has come of a line is no line.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > LONGEST {
                let said = "a line of the output is longer than 16 MiB";
                return Err(Error::of_broken_stream(said, self.response.record().clone()));
            }
            match self.response.next().await.transpose()? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    self.searched = 0;
                    return Ok(Some(self.buffer.split().freeze()));
                }
            }
        }
    }
}
