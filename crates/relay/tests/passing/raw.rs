//! A client that writes and reads bytes, one request after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use reveille_relay::Relay;

use crate::place::{BOX, connect};

/// From here on a connection is the library's.
const CHUNKS: &str = "transfer-encoding: chunked\r\n\r\n0\r\n\r\n";

/// A connection that carries one request after the other.
pub(crate) struct Raw(pub(crate) BufReader<TcpStream>);

impl Raw {
    pub(crate) fn to(relay: &Relay) -> Self {
        Self(BufReader::new(connect(relay)))
    }

    /// One that an HTTP library serves.
    pub(crate) fn by_library(relay: &Relay) -> Self {
        let mut raw = Self::to(relay);
        raw.say(asked("POST", "/first", "").trim_end_matches("\r\n"));
        raw.say(format!("\r\n{CHUNKS}"));
        assert!(raw.answer("POST").starts_with("HTTP/1.1 200"));
        raw
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // It may be refused before all of it is written.
        let _ = self.0.get_mut().write_all(bytes.as_ref());
    }

    /// The head of the next answer, in order but for its first line, and without what differs each time; nothing where
    /// the connection has ended.
    fn head(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.0.read_until(b'\n', &mut line).is_err() || !line.ends_with(b"\r\n") {
                return Vec::new();
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            if !line.to_ascii_lowercase().starts_with("date: ") {
                lines.push(line);
            }
        }
        if let Some(headers) = lines.get_mut(1..) {
            headers.sort_unstable();
        }
        lines
    }

    /// The next answer to a request of this method.
    pub(crate) fn answer(&mut self, method: &str) -> String {
        let head = self.head();
        let said = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
        let mut body = String::new();
        if method == "HEAD" || head.is_empty() {
        } else if said("transfer-encoding: chunked").is_some() {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line).unwrap();
                let mut chunk = vec![0; usize::from_str_radix(line.trim_end(), 16).unwrap() + 2];
                self.0.read_exact(&mut chunk).unwrap();
                if chunk.len() == 2 {
                    break;
                }
                body += std::str::from_utf8(&chunk[..chunk.len() - 2]).unwrap();
            }
        } else if let Some(length) = said("content-length: ").filter(|_| !head[0].contains(" 304")) {
            let mut bytes = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut bytes).unwrap();
            body = String::from_utf8(bytes).unwrap();
        }
        // The time of a refusal differs.
        let body = &body[..body.find("\"timestamp\"").unwrap_or(body.len())];
        format!("{}\n\n{body}", head.join("\n"))
    }

    pub(crate) fn is_over(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }
}

pub(crate) fn asked(method: &str, path: &str, more: &str) -> String {
    format!("{method} {BOX}{path} HTTP/1.1\r\nhost: h\r\n{more}\r\n")
}
