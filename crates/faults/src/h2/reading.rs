//! The reading side of a connection: requests in, windows and answers to PINGs out.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

use super::frames::{self, Frame, flag, kind};
use super::hpack::Decoder;
use super::stream::{Turn, reads_body};
use super::{Connection, Out};
use crate::arrivals::{Exchange, Head, Protocol, Receipt};
use crate::code::Code;
use crate::connection::Context;
use crate::step::End;

const MAX_BLOCK: usize = 64 * 1024;
const SETTING_INITIAL_WINDOW: u16 = 0x4;

/// Why reading ends.
enum Over {
    Gone,
    /// The client broke the protocol and is told so.
    Broken(Code),
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Broken(Code::FRAME_SIZE_ERROR),
            _ => Self::Gone,
        }
    }
}

pub(super) struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
    connection: Arc<Connection>,
    context: Arc<Context>,
    decoder: Decoder,
    block: Option<Block>,
    streams: Streams,
}

/// A header block that is not complete yet.
struct Block {
    stream: u32,
    ends_stream: bool,
    bytes: BytesMut,
}

/// The requests that are being dealt with, and the tasks that do it.
#[derive(Default)]
pub(super) struct Streams {
    active: HashMap<u32, Active>,
    tasks: JoinSet<()>,
}

struct Active {
    exchange: Exchange,
    receipt: Arc<Mutex<Receipt>>,
    ended: Option<oneshot::Sender<()>>,
    task: AbortHandle,
    wanted: Wanted,
}

/// Whether the client is given room to send the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Body,
    HeadOnly,
}

impl Streams {
    /// The client has left: whatever was not concluded was given up.
    pub(super) fn cancel_all(&mut self) {
        for active in self.active.values() {
            active.exchange.cancel();
        }
    }
}

impl Reader {
    pub(super) fn new(
        half: OwnedReadHalf,
        buffer: BytesMut,
        connection: Arc<Connection>,
        context: Arc<Context>,
    ) -> Self {
        let decoder = Decoder::default();
        Self { half, buffer, connection, context, decoder, block: None, streams: Streams::default() }
    }

    /// Ends every task of the connection.
    pub(super) fn stop(self) -> (OwnedReadHalf, Streams) {
        let mut streams = self.streams;
        streams.tasks.abort_all();
        (self.half, streams)
    }

    /// Reads until the client has left.
    pub(super) async fn run(&mut self) {
        self.connection.frame(frames::settings()).await;
        loop {
            let over = match frames::read(&mut self.half, &mut self.buffer).await {
                Ok(frame) => self.take(frame).await,
                Err(error) => Err(error.into()),
            };
            match over {
                Ok(()) => {}
                Err(Over::Gone) => return,
                Err(Over::Broken(code)) => {
                    let newest = self.connection.newest.load(Ordering::Relaxed);
                    self.connection.frame(frames::goaway(newest, code)).await;
                    self.connection.send(Out::End(End::Close)).await;
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), Over> {
        const BROKEN: Over = Over::Broken(Code::PROTOCOL_ERROR);
        if self.block.is_some() && frame.kind != kind::CONTINUATION {
            return Err(BROKEN);
        }
        match frame.kind {
            kind::DATA => self.data(&frame, &frame.content().ok_or(BROKEN)?).await,
            kind::HEADERS => {
                let content = frame.content().ok_or(BROKEN)?;
                let ends_stream = frame.has(flag::END_STREAM);
                self.block =
                    Some(Block { stream: frame.stream, ends_stream, bytes: BytesMut::from(&content[..]) });
                self.block_goes_on(&frame)?;
            }
            kind::CONTINUATION => {
                let block = self.block.as_mut().filter(|block| block.stream == frame.stream).ok_or(BROKEN)?;
                block.bytes.extend_from_slice(&frame.payload);
                self.block_goes_on(&frame)?;
            }
            kind::RST_STREAM => self.reset(frame.stream),
            kind::SETTINGS if !frame.has(flag::ACK) => {
                for (id, value) in frame.settings() {
                    if id == SETTING_INITIAL_WINDOW {
                        self.connection.flow.initial(value);
                    }
                }
                self.connection.frame(frames::settings_ack()).await;
            }
            kind::PING if !frame.has(flag::ACK) => {
                self.connection.frame(frames::ping_ack(&frame.payload)).await;
            }
            kind::WINDOW_UPDATE => {
                let by = frame.number().ok_or(BROKEN)? & 0x7fff_ffff;
                self.connection.flow.grant(frame.stream, by);
            }
            // A GOAWAY of the client asks for nothing, and unknown frames are to be ignored.
            _ => {}
        }
        Ok(())
    }

    /// The connection's window is always given back, the stream's only where the body is wanted: a
    /// server that does not read one body still reads the others.
    async fn data(&mut self, frame: &Frame, content: &[u8]) {
        let length = frame.payload.len() as u32;
        if length > 0 {
            self.connection.frame(frames::window_update(0, length)).await;
        }
        let Some(active) = self.streams.active.get_mut(&frame.stream) else { return };
        receipt(&active.receipt, |receipt| receipt.take(content));
        if frame.has(flag::END_STREAM) {
            active.request_ended();
        } else if length > 0 && active.wanted == Wanted::Body {
            self.connection.frame(frames::window_update(frame.stream, length)).await;
        }
    }

    fn block_goes_on(&mut self, frame: &Frame) -> Result<(), Over> {
        if self.block.as_ref().is_some_and(|block| block.bytes.len() > MAX_BLOCK) {
            return Err(Over::Broken(Code::ENHANCE_YOUR_CALM));
        }
        if !frame.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some(Block { stream, ends_stream, bytes }) = self.block.take() else { return Ok(()) };
        // Decoded even where it is ignored, as later blocks depend on it.
        let fields = self.decoder.decode(&bytes).map_err(|_| Over::Broken(Code::COMPRESSION_ERROR))?;
        if let Some(active) = self.streams.active.get_mut(&stream) {
            if ends_stream {
                active.request_ended();
            }
        } else if stream % 2 == 1
            && stream > self.connection.newest.load(Ordering::Relaxed)
            && stream <= self.connection.last.load(Ordering::Relaxed)
        {
            self.request(stream, fields, ends_stream);
        }
        Ok(())
    }

    fn request(&mut self, stream: u32, fields: Vec<(Bytes, Bytes)>, ends_stream: bool) {
        self.connection.newest.store(stream, Ordering::Relaxed);
        self.connection.flow.open(stream);
        let headers: Vec<(String, Bytes)> = fields
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value))
            .collect();
        let field = |wanted: &str| {
            let (_, value) = headers.iter().find(|(name, _)| name == wanted)?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let method = field(":method").unwrap_or_default();
        let target = field(":path").or_else(|| field(":authority")).unwrap_or_default();

        let now = Instant::now();
        let step = self.context.turns.take(&method, &target, now);
        let head =
            Head { protocol: Protocol::Http2, stream: Some(stream), method: method.clone(), target, headers };
        let (exchange, receipt) =
            self.context.log.arrive(self.connection.number, head, step.to_string(), now);
        let receipt = Arc::new(Mutex::new(receipt));
        let (ended, request_ended) = oneshot::channel();
        let wanted = if reads_body(&step) { Wanted::Body } else { Wanted::HeadOnly };
        let turn = Turn {
            connection: Arc::clone(&self.connection),
            id: stream,
            method,
            exchange: exchange.clone(),
            receipt: Arc::clone(&receipt),
            request_ended,
        };
        let Streams { active, tasks } = &mut self.streams;
        while tasks.try_join_next().is_some() {}
        active.retain(|_, active| !active.task.is_finished());
        // The task gets its first turn after this function, so a request without a body has ended by then.
        let task = tasks.spawn(turn.play(step));
        let mut new = Active { exchange, receipt, ended: Some(ended), task, wanted };
        if ends_stream {
            new.request_ended();
        }
        active.insert(stream, new);
    }

    fn reset(&mut self, stream: u32) {
        self.context.log.stream_reset();
        self.connection.flow.forget(stream);
        if let Some(active) = self.streams.active.remove(&stream) {
            active.task.abort();
            active.exchange.cancel();
            receipt(&active.receipt, Receipt::abandon);
        }
    }
}

impl Active {
    fn request_ended(&mut self) {
        receipt(&self.receipt, Receipt::complete);
        if let Some(ended) = self.ended.take() {
            // Nobody listens where the step did not wait for the body.
            let _ = ended.send(());
        }
    }
}

pub(super) fn receipt(receipt: &Mutex<Receipt>, change: impl FnOnce(&mut Receipt)) {
    change(&mut receipt.lock().unwrap_or_else(PoisonError::into_inner));
}
