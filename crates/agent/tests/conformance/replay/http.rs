//! An HTTP/1.1 client that shows what went over the wire, and nothing else.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// An answer, whose body has yet to be read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: BufReader<Body>,
}

impl Response {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The whole body.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.body.read_to_end(&mut body)?;
        Ok(body)
    }
}

/// Connects to `host` (`127.0.0.1:80`).
pub(crate) fn connect(host: &str, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request on `stream` and reads the head of its answer.
pub(crate) fn send(mut stream: &TcpStream, host: &str, request: &Request<'_>) -> io::Result<Response> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if request.body.is_some() || matches!(request.method, "POST" | "PUT") {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.as_ref().map_or(0, Vec::len)));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body.as_deref().unwrap_or_default())?;
    receive(stream, request.method)
}

/// Reads the head of an answer to a `method` request.
pub(crate) fn receive(stream: &TcpStream, method: &str) -> io::Result<Response> {
    let mut from = BufReader::new(stream.try_clone()?);
    let (status, headers) = loop {
        let (status, headers) = head(&mut from)?;
        if status >= 200 || status == 101 {
            break (status, headers);
        }
    };
    let value = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.to_ascii_lowercase())
    };
    let left = if method == "HEAD" || status == 204 || status == 304 {
        Left::Bytes(0)
    } else if value("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        Left::Chunks(0)
    } else if let Some(length) = value("content-length").and_then(|length| length.parse().ok()) {
        Left::Bytes(length)
    } else {
        Left::UntilTheEnd
    };
    Ok(Response { status, headers, body: BufReader::new(Body { from, left }) })
}

fn head(from: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let first = line(from)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("no status: {first:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = line(from)?;
        match line.split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => return Ok((status, headers)),
        }
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The body of an answer. A body that ends too early is an error.
#[derive(Debug)]
pub(crate) struct Body {
    from: BufReader<TcpStream>,
    left: Left,
}

#[derive(Debug)]
enum Left {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of a chunk, and then further chunks.
    Chunks(u64),
    /// Whatever comes.
    UntilTheEnd,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunks(0) = self.left {
            let size = line(&mut self.from)?;
            let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|_| Error::new(ErrorKind::InvalidData, "no chunk size"))?;
            self.left = Left::Chunks(size);
            if size == 0 {
                while !line(&mut self.from)?.is_empty() {}
                self.left = Left::Bytes(0);
            }
        }
        let most = match self.left {
            Left::Bytes(0) => return Ok(0),
            Left::Bytes(left) | Left::Chunks(left) => {
                buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX))
            }
            Left::UntilTheEnd => buffer.len(),
        };
        let read = self.from.read(&mut buffer[..most])?;
        match &mut self.left {
            Left::UntilTheEnd => {}
            Left::Bytes(_) | Left::Chunks(_) if read == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            Left::Bytes(left) => *left -= read as u64,
            Left::Chunks(left) => {
                *left -= read as u64;
                if *left == 0 {
                    line(&mut self.from)?;
                }
            }
        }
        Ok(read)
    }
}
