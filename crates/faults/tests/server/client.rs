//! A client of HTTP/1.1 that does nothing on its own, so that what a test sees is what the server did.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reveille_faults::FaultServer;

pub(crate) const GET: &[u8] = b"GET /status?x=1 HTTP/1.1\r\nhost: box\r\n\r\n";
pub(crate) const HEAD: &[u8] = b"HEAD /status HTTP/1.1\r\nhost: box\r\n\r\n";
pub(crate) const POST: &[u8] = b"POST /orders HTTP/1.1\r\nhost: box\r\ncontent-length: 5\r\n\r\nhello";

/// A patience that only a broken test needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a connection went on after what was read from it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Closed,
    Reset,
    Silent,
}

pub(crate) fn connect(server: &FaultServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn sent(server: &FaultServer, request: &[u8]) -> TcpStream {
    let mut stream = connect(server);
    stream.write_all(request).unwrap();
    stream
}

/// Everything that comes until the connection ends.
pub(crate) fn rest(stream: &mut TcpStream) -> (Vec<u8>, Fate) {
    let mut read = Vec::new();
    let mut piece = [0; 64 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (read, Fate::Closed),
            Ok(size) => read.extend_from_slice(&piece[..size]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (read, Fate::Silent);
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) =>
            {
                return (read, Fate::Reset);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a request on a connection of its own gets, as text.
pub(crate) fn exchange(server: &FaultServer, request: &[u8]) -> (String, Fate) {
    let (read, fate) = rest(&mut sent(server, request));
    (String::from_utf8_lossy(&read).into_owned(), fate)
}

/// Reads exactly this, which leaves the connection open.
pub(crate) fn expect(stream: &mut TcpStream, text: &str) {
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// Whether nothing comes for a moment.
pub(crate) fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let (read, fate) = rest(stream);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read.is_empty() && fate == Fate::Silent
}
