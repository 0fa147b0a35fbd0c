//! An answer on its way out.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{Method, Response, StatusCode};
use http_body::Body;
use tokio::io::AsyncWrite;

use super::BoxError;
use crate::date::with_date;
use crate::written::{write_length, write_line, write_status};

/// Up to so many bytes of a body are copied behind what stands before them, so that one write takes both.
const COPIED: usize = 4 * 1024;
/// The largest room that is kept for the next answer, in bytes.
const ROOM_KEPT: usize = 16 * 1024;

/// What becomes of the connection behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    Stays,
    Closes,
}

/// An answer, its body moved by whoever waits for it to be written.
pub(super) struct Answer<'a, B> {
    body: B,
    framing: Framing,
    afterwards: Afterwards,
    /// What is to be written first, and how much of it has been.
    out: &'a mut Vec<u8>,
    written: usize,
    /// A larger piece of the body behind it.
    piece: Bytes,
    /// What ends that piece.
    tail: &'static [u8],
    /// Why nothing more comes of it than what has come.
    broken: Option<io::Error>,
}

/// How the client tells where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunks,
    /// It has ended, or there is none.
    Over,
}

impl<'a, B> Answer<'a, B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(super) fn begin(response: Response<B>, method: &Method, out: &'a mut Vec<u8>) -> Self {
        let framing = Framing::of(&response, method);
        out.clear();
        let afterwards = write_head(&response, method, framing, out);
        Self {
            body: response.into_body(),
            framing,
            afterwards,
            out,
            written: 0,
            piece: Bytes::new(),
            tail: b"",
            broken: None,
        }
    }

    /// Writes it to its end. Whatever of it is there goes out at once, also where it breaks off behind that.
    pub(super) fn poll_write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Afterwards>> {
        loop {
            let starves = self.poll_body(cx).is_pending();
            if self.written == self.out.len() && self.piece.is_empty() && self.tail.is_empty() {
                if let Some(broken) = self.broken.take() {
                    return Poll::Ready(Err(broken));
                }
                if starves {
                    return Poll::Pending;
                }
                self.out.clear();
                self.out.shrink_to(ROOM_KEPT);
                return Poll::Ready(Ok(self.afterwards));
            }
            let head = &self.out[self.written..];
            let written = if self.tail.is_empty() && self.piece.is_empty() {
                ready!(Pin::new(&mut *socket).poll_write(cx, head))?
            } else {
                let slices = [head, &self.piece, self.tail].map(IoSlice::new);
                ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
    }

    fn advance(&mut self, mut written: usize) {
        let head = written.min(self.out.len() - self.written);
        self.written += head;
        written -= head;
        let piece = written.min(self.piece.len());
        self.piece.advance(piece);
        written -= piece;
        self.tail = &self.tail[written.min(self.tail.len())..];
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Takes what is there of the body, as far as there is room; pending: there is nothing now.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.framing != Framing::Over && self.broken.is_none() && self.has_room() {
            let taken = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.take(bytes),
                    // What may come behind the body is for those who said that they would read it: none of these
                    // clients.
                    Err(_) => continue,
                },
                Some(Err(error)) => Err(io::Error::other(error)),
                None => self.end(),
            };
            self.broken = taken.err();
        }
        Poll::Ready(())
    }

    fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::Length(left) => {
                let length = bytes.len() as u64;
                *left =
                    left.checked_sub(length).ok_or_else(|| io::Error::other("it is longer than it says"))?;
                if *left == 0 {
                    self.framing = Framing::Over;
                }
                self.append(bytes, b"");
            }
            Framing::Chunks => {
                // A Vec takes whatever is written to it.
                let _ = write!(self.out, "{:x}\r\n", bytes.len());
                self.append(bytes, b"\r\n");
            }
            Framing::Over => {}
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.out.len() < COPIED
    }

    fn append(&mut self, bytes: Bytes, tail: &'static [u8]) {
        if bytes.len() <= COPIED {
            self.out.extend_from_slice(&bytes);
            self.out.extend_from_slice(tail);
        } else {
            (self.piece, self.tail) = (bytes, tail);
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self.framing {
            Framing::Length(_) => return Err(io::Error::other("it is shorter than it says")),
            Framing::Chunks => self.out.extend_from_slice(b"0\r\n\r\n"),
            Framing::Over => {}
        }
        self.framing = Framing::Over;
        Ok(())
    }
}

impl Framing {
    /// How the body of an answer is framed (RFC 9112, section 6.3).
    fn of(response: &Response<impl Body>, method: &Method) -> Self {
        match response.body().size_hint().exact() {
            _ if method == Method::HEAD || is_bodiless(response.status()) => Self::Over,
            Some(0) => Self::Over,
            Some(length) => Self::Length(length),
            None => Self::Chunks,
        }
    }
}

/// Whether an answer with this status has no body, whatever was asked (RFC 9110, section 6.4.1).
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Writes the head of an answer. What it says of its body's length is what is known of it; where it has no body, what
/// it says stays.
fn write_head(
    response: &Response<impl Body>,
    method: &Method,
    framing: Framing,
    out: &mut Vec<u8>,
) -> Afterwards {
    let status = response.status();
    write_status(response, out);
    let keeps_length = framing == Framing::Over && status != StatusCode::NO_CONTENT;
    let (mut has_length, mut has_date, mut afterwards) = (false, false, Afterwards::Stays);
    for (name, value) in response.headers() {
        match *name {
            TRANSFER_ENCODING => continue,
            CONTENT_LENGTH if !keeps_length => continue,
            CONTENT_LENGTH => has_length = true,
            DATE => has_date = true,
            CONNECTION if value == "close" => afterwards = Afterwards::Closes,
            _ => {}
        }
        write_line(name.as_str(), value.as_bytes(), out);
    }
    match framing {
        Framing::Length(length) => write_length(length, out),
        Framing::Chunks => write_line("transfer-encoding", b"chunked", out),
        Framing::Over => {
            // Of a body that is left out it is said how long it would be, where that is known.
            let length = response.body().size_hint().exact();
            if let Some(length) = length.filter(|length| *length > 0 || method != Method::HEAD)
                && !is_bodiless(status)
                && !has_length
            {
                write_length(length, out);
            }
        }
    }
    if !has_date {
        with_date(|date| write_line("date", date.as_bytes(), out));
    }
    out.extend_from_slice(b"\r\n");
    afterwards
}

#[cfg(test)]
mod tests;
