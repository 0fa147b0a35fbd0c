//! Reading requests of HTTP/1.1: the head, and the body in whatever framing it comes.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::arrivals::{Head, Protocol, Receipt};

const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
const MAX_CHUNK_LINE: usize = 4096;

/// Why there is no request, or no more of it.
#[derive(Debug)]
pub(super) enum Unread {
    Gone,
    Malformed,
}

pub(super) struct Request {
    pub(super) head: Head,
    pub(super) method: String,
    pub(super) expects_continue: bool,
    pub(super) wants_close: bool,
    framing: Framing,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(u64),
    Chunked,
}

impl Request {
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.framing, Framing::Length(0))
    }

    /// Moves the head out for the record; the method stays, answers depend on it.
    pub(super) fn take_head(&mut self) -> Head {
        let empty = Head {
            protocol: Protocol::Http1,
            stream: None,
            method: String::new(),
            target: String::new(),
            headers: Vec::new(),
        };
        std::mem::replace(&mut self.head, empty)
    }
}

/// The bytes that were read from a connection but not used yet.
pub(super) struct Reader {
    read: BytesMut,
}

impl Reader {
    pub(super) fn new(read: BytesMut) -> Self {
        Self { read }
    }

    pub(super) fn is_drained(&self) -> bool {
        self.read.is_empty()
    }

    async fn more(&mut self, stream: &mut TcpStream) -> Result<(), Unread> {
        match stream.read_buf(&mut self.read).await {
            Ok(0) | Err(_) => Err(Unread::Gone),
            Ok(_) => Ok(()),
        }
    }

    /// The next request's head.
    pub(super) async fn request(&mut self, stream: &mut TcpStream) -> Result<Request, Unread> {
        loop {
            if let Some((request, length)) = parse(&self.read)? {
                self.read.advance(length);
                return Ok(request);
            }
            if self.read.len() > MAX_HEAD {
                return Err(Unread::Malformed);
            }
            self.more(stream).await?;
        }
    }

    /// Reads a body to its end.
    pub(super) async fn body(
        &mut self,
        stream: &mut TcpStream,
        request: &Request,
        receipt: &mut Receipt,
    ) -> Result<(), Unread> {
        match request.framing {
            Framing::Length(length) => self.exactly(length, stream, receipt).await?,
            Framing::Chunked => self.chunks(stream, receipt).await?,
        }
        receipt.complete();
        Ok(())
    }

    async fn exactly(
        &mut self,
        mut left: u64,
        stream: &mut TcpStream,
        receipt: &mut Receipt,
    ) -> Result<(), Unread> {
        while left > 0 {
            if self.read.is_empty() {
                self.more(stream).await?;
            }
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(self.read.len());
            receipt.take(&self.read[..size]);
            self.read.advance(size);
            left -= size as u64;
        }
        Ok(())
    }

    async fn chunks(&mut self, stream: &mut TcpStream, receipt: &mut Receipt) -> Result<(), Unread> {
        loop {
            let line = self.line(stream).await?;
            let digits = line[..].split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let size =
                std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
            match size {
                None => return Err(Unread::Malformed),
                Some(0) => break,
                Some(size) => self.exactly(size, stream, receipt).await?,
            }
            if !self.line(stream).await?.is_empty() {
                return Err(Unread::Malformed);
            }
        }
        while !self.line(stream).await?.is_empty() {}
        Ok(())
    }

    async fn line(&mut self, stream: &mut TcpStream) -> Result<BytesMut, Unread> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.read.split_to(end);
                self.read.advance(2);
                return Ok(line);
            }
            if self.read.len() > MAX_CHUNK_LINE {
                return Err(Unread::Malformed);
            }
            self.more(stream).await?;
        }
    }
}

fn parse(read: &[u8]) -> Result<Option<(Request, usize)>, Unread> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(read) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Unread::Malformed),
    };
    let method = parsed.method.unwrap_or_default().to_owned();
    let target = parsed.path.unwrap_or_default().to_owned();
    let old = parsed.version == Some(0);

    let mut framing = Framing::Length(0);
    let mut expects_continue = false;
    let mut wants_close = old;
    for header in parsed.headers.iter() {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") && !matches!(framing, Framing::Chunked) {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            framing = Framing::Length(length.ok_or(Unread::Malformed)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("expect") {
            expects_continue = value.eq_ignore_ascii_case(b"100-continue");
        } else if header.name.eq_ignore_ascii_case("connection") {
            wants_close |= value.eq_ignore_ascii_case(b"close");
        }
    }
    let headers = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), Bytes::copy_from_slice(header.value)))
        .collect();
    let head = Head { protocol: Protocol::Http1, stream: None, method: method.clone(), target, headers };
    Ok(Some((Request { head, method, expects_continue, wants_close, framing }, length)))
}
