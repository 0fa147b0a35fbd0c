use std::io::{self, IsTerminal, Write};

use base64::Engine as _;
use reveille::{Bytes, HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::Screen;
use crate::report::Facts;

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) version: http::Version,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Screen {
    /// Bytes as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Ends the line of a body that did not, so that what is said on the same terminal begins on one of its own.
    pub(crate) fn end_line(&self, last: Option<u8>) {
        if last.is_some_and(|last| last != b'\n') && io::stdout().is_terminal() && io::stderr().is_terminal()
        {
            // A stderr that is gone says nothing anyway.
            let _ = writeln!(io::stderr());
        }
    }

    /// The same, of what a command wrote to its own stderr.
    pub(crate) fn raw_to_stderr(&self, bytes: &[u8]) -> io::Result<()> {
        io::stderr().write_all(bytes)
    }

    /// A head as it stands on the wire.
    pub(crate) fn head(&self, head: &Head) -> io::Result<()> {
        let Head { version, status, headers } = head;
        let mut text = format!("{version:?} {status}\r\n").into_bytes();
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        self.raw(&text)
    }

    /// An answer as one object; its body as text, or in base64 where it is none.
    pub(crate) fn fetched(&self, head: &Head, body: Option<&Bytes>, facts: &Facts) -> io::Result<()> {
        let mut object = json!({
            "status": head.status.as_u16(),
            "headers": headers(&head.headers),
            "reveille": facts,
        });
        if let Some(body) = body {
            match std::str::from_utf8(body) {
                Ok(text) => object["body"] = text.into(),
                Err(_) => {
                    object["bodyBase64"] = base64::engine::general_purpose::STANDARD.encode(body).into();
                }
            }
        }
        self.json(&object)
    }
}

/// Headers by name; one that stands more than once is a list.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &http::HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
    headers
        .keys()
        .map(|name| {
            let mut values: Vec<Value> = headers.get_all(name).iter().map(text).collect();
            let value = if values.len() == 1 { values.remove(0) } else { values.into() };
            (name.as_str().to_owned(), value)
        })
        .collect()
}
