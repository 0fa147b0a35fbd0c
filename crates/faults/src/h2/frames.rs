//! The frames of HTTP/2 (RFC 9113, section 4): reading any, building those that a server sends.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::code::Code;

/// What a client says first.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest payload a peer may send, as no larger one is announced.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024;

pub(super) mod kind {
    pub(in crate::h2) const DATA: u8 = 0x0;
    pub(in crate::h2) const HEADERS: u8 = 0x1;
    pub(in crate::h2) const RST_STREAM: u8 = 0x3;
    pub(in crate::h2) const SETTINGS: u8 = 0x4;
    pub(in crate::h2) const PING: u8 = 0x6;
    pub(in crate::h2) const GOAWAY: u8 = 0x7;
    pub(in crate::h2) const WINDOW_UPDATE: u8 = 0x8;
    pub(in crate::h2) const CONTINUATION: u8 = 0x9;
}

pub(super) mod flag {
    pub(in crate::h2) const ACK: u8 = 0x1;
    pub(in crate::h2) const END_STREAM: u8 = 0x1;
    pub(in crate::h2) const END_HEADERS: u8 = 0x4;
    pub(in crate::h2) const PADDED: u8 = 0x8;
    pub(in crate::h2) const PRIORITY: u8 = 0x20;
}

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Bytes,
}

impl Frame {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload without padding and priority.
    pub(super) fn content(&self) -> Option<Bytes> {
        let mut start = 0;
        let mut end = self.payload.len();
        if self.has(flag::PADDED) {
            end = end.checked_sub(usize::from(*self.payload.first()?))?;
            start += 1;
        }
        if self.kind == kind::HEADERS && self.has(flag::PRIORITY) {
            start += 5;
        }
        (start <= end).then(|| self.payload.slice(start..end))
    }

    /// The number that makes up the payload of a RST_STREAM or a WINDOW_UPDATE.
    pub(super) fn number(&self) -> Option<u32> {
        let bytes: [u8; 4] = self.payload.get(..4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// The identifiers and values of a SETTINGS.
    pub(super) fn settings(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.payload.chunks_exact(6).map(|entry| {
            let id = u16::from_be_bytes([entry[0], entry[1]]);
            (id, u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
        })
    }
}

/// Reads one frame. A frame that is too large is an `InvalidData`.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<Frame> {
    fill(from, buffer, 9).await?;
    let head = buffer.split_to(9);
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    if length > MAX_PAYLOAD {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fill(from, buffer, length).await?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
    Ok(Frame { kind: head[3], flags: head[4], stream, payload: buffer.split_to(length).freeze() })
}

async fn fill(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut, length: usize) -> io::Result<()> {
    while buffer.len() < length {
        if from.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(9 + payload.len());
    put(&mut frame, kind, flags, stream, payload);
    frame.freeze()
}

fn put(frame: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
}

/// A header block, in as many frames as it needs.
pub(super) fn headers(stream: u32, block: &[u8], flags: u8) -> Bytes {
    let mut frames = BytesMut::with_capacity(9 + block.len());
    let mut pieces = block.chunks(MAX_PAYLOAD).peekable();
    let mut kind = kind::HEADERS;
    let mut flags = flags;
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= flag::END_HEADERS;
        }
        put(&mut frames, kind, flags, stream, piece);
        kind = kind::CONTINUATION;
        flags = 0;
    }
    frames.freeze()
}

pub(super) fn settings() -> Bytes {
    frame(kind::SETTINGS, 0, 0, &[])
}

pub(super) fn settings_ack() -> Bytes {
    frame(kind::SETTINGS, flag::ACK, 0, &[])
}

pub(super) fn ping_ack(payload: &[u8]) -> Bytes {
    frame(kind::PING, flag::ACK, 0, payload)
}

pub(super) fn reset_stream(stream: u32, code: Code) -> Bytes {
    frame(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

pub(super) fn window_update(stream: u32, by: u32) -> Bytes {
    frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub(super) fn goaway(last: u32, code: Code) -> Bytes {
    let mut payload = [0; 8];
    payload[..4].copy_from_slice(&last.to_be_bytes());
    payload[4..].copy_from_slice(&code.0.to_be_bytes());
    frame(kind::GOAWAY, 0, 0, &payload)
}
