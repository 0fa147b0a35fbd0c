//! A file as JSON, with its content as text.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use reveille_wire::File;
use std::io;

use super::source::Source;

/// Up to this size, in bytes, a file is answered in one piece.
pub(crate) const SMALL: u64 = 64 << 10;

/// The answer for a small file.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn whole(mut file: File, mut source: Source) -> io::Result<Response> {
    let mut content = Vec::new();
    loop {
        let piece = source.next().await?;
        if piece.is_empty() {
            break;
        }
        content.extend_from_slice(&piece);
    }
    let text = String::from_utf8(content);
    file.content = Some(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
    Ok(Json(file).into_response())
}

/// The answer for a file of any size, written as it is read. A file that cannot be read to its end breaks it off.
pub(crate) fn streamed(file: &File, source: Source) -> Response {
    let mut head = serde_json::to_string(file).unwrap_or_default();
    // The content comes last.
    head.truncate(head.len().saturating_sub(1));
    head.push_str(",\"content\":\"");
    let begin = Piece { source, text: Text::default(), state: State::Head(head) };
    let body = Body::from_stream(futures_util::stream::try_unfold(begin, Piece::next));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

#[derive(Debug)]
struct Piece {
    source: Source,
    text: Text,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(String),
    Content,
    Ended,
}

impl Piece {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let said = match std::mem::replace(&mut self.state, State::Content) {
            State::Head(head) => head,
            State::Ended => return Ok(None),
            State::Content => {
                let piece = self.source.next().await?;
                if piece.is_empty() {
                    self.state = State::Ended;
                    format!("{}\"}}", escaped(&self.text.rest()))
                } else {
                    escaped(&self.text.next(&piece))
                }
            }
        };
        Ok(Some((said.into(), self)))
    }
}

/// Text within a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Makes text of bytes that come in pieces. What is no text is replaced; a letter on an edge is not.
#[derive(Debug, Default)]
struct Text {
    /// The beginning of a letter.
    carried: Vec<u8>,
}

impl Text {
    fn next(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.carried);
        bytes.extend_from_slice(piece);
        let whole = bytes.len() - unfinished(&bytes);
        self.carried = bytes.split_off(whole);
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.carried)).into_owned()
    }
}

/// How many bytes at the end begin a letter that goes on behind it.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - back..];
        let begins = match tail[0] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return 0,
        };
        let cut = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
        return if begins > back && cut { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_pieces_is_the_text_as_a_whole() {
        let all = "a\u{e9}\u{4e16}\u{1f600}\"\\\n".as_bytes().to_vec();
        let broken = [b"x\xff\xe4\xb8", all.as_slice(), b"\xf0\x9f\x98".as_slice()].concat();
        for bytes in [all, broken] {
            for size in 1..bytes.len() {
                let mut text = Text::default();
                let mut said: String = bytes.chunks(size).map(|piece| text.next(piece)).collect();
                said.push_str(&text.rest());
                assert_eq!(said, String::from_utf8_lossy(&bytes), "in pieces of {size}");
            }
        }
    }
}
