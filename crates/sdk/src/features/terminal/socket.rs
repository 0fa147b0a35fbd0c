//! A WebSocket to a terminal, over a connection of the client's own transport.

use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reveille_wire::header::{BOOT, STREAM, STREAM_EXACT, TERMINAL};
use reveille_wire::{TerminalInput as Message, TerminalOutput};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::outbox::{Counts, Next};
use crate::answer::Changed;
use crate::error::Error;
use crate::record::Record;

/// The largest message, in bytes: all that a terminal keeps of its output at once.
const LARGEST: usize = 16 << 20;

/// What is said of a client's wish to speak WebSocket (RFC 6455, section 4.1).
pub(super) struct Wish {
    key: String,
}

impl Wish {
    pub(super) fn new() -> Self {
        Self { key: BASE64_STANDARD.encode(fastrand::u128(..).to_be_bytes()) }
    }

    /// The headers of the wish.
    pub(super) fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let key = HeaderValue::try_from(&self.key).unwrap_or_else(|_| HeaderValue::from_static(""));
        [(header::SEC_WEBSOCKET_KEY, key), (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))]
    }

    fn is_granted(&self, headers: &HeaderMap) -> bool {
        let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
        accept.is_some_and(|accept| accept.as_bytes() == derive_accept_key(self.key.as_bytes()).as_bytes())
    }
}

/// A connection to a terminal.
pub(super) struct Socket {
    connection: Changed,
    /// What the session is called, where the terminal is exact.
    pub(super) id: Option<String>,
    pub(super) boot: Option<HeaderValue>,
}

impl Socket {
    /// # Errors
    /// When the server has changed over to something else.
    pub(super) fn of(connection: Changed, wish: &Wish) -> Result<Self, Error> {
        let headers = connection.headers();
        if !wish.is_granted(headers) {
            let said = "the server changed over, and not to the WebSocket that was asked for";
            return Err(Error::of_refusal(said, connection.record().clone()));
        }
        let is_exact = headers.get(STREAM).is_some_and(|value| value == STREAM_EXACT);
        let id = headers.get(TERMINAL).filter(|_| is_exact).and_then(|id| id.to_str().ok());
        let (id, boot) = (id.map(str::to_owned), headers.get(BOOT).cloned());
        Ok(Self { connection, id, boot })
    }

    pub(super) fn counts(&self) -> Counts {
        if self.id.is_some() { Counts::Itself } else { Counts::Not }
    }

    pub(super) fn record(&self) -> &Record {
        self.connection.record()
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.connection.until()
    }

    /// Its two directions.
    pub(super) async fn open(self) -> (Writing, Reading) {
        let counts = self.counts();
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        let socket = WebSocketStream::from_raw_socket(self.connection, Role::Client, Some(config)).await;
        let (sink, stream) = socket.split();
        (Writing { sink, counts, begun: Vec::new() }, Reading(stream))
    }
}

/// The connection does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// The direction to the terminal.
pub(super) struct Writing {
    sink: SplitSink<WebSocketStream<Changed>, tungstenite::Message>,
    counts: Counts,
    /// A letter whose end has not been typed yet; one that does not count wants text.
    begun: Vec<u8>,
}

impl Writing {
    pub(super) async fn send(&mut self, next: Next) -> Result<(), Lost> {
        match next {
            Next::Resized(size) => self.say(&Message::Resize { cols: size.cols, rows: size.rows }).await,
            Next::HangUp => self.say(&Message::Hangup).await,
            Next::Typed { at, bytes } if self.counts == Counts::Itself => {
                self.say(&Message::of_bytes(at, &bytes)).await
            }
            Next::Typed { at, bytes } => {
                let data = self.letters(&bytes);
                if !data.is_empty() {
                    self.say(&Message::Input { data, encoding: None, at: None }).await?;
                }
                // Answered when everything before it has been read.
                let arrived = at + bytes.len() as u64;
                let ping = tungstenite::Message::Ping(arrived.to_be_bytes().to_vec().into());
                self.sink.send(ping).await.map_err(|_| Lost)
            }
        }
    }

    async fn say(&mut self, message: &Message) -> Result<(), Lost> {
        // A word, numbers and a text: there is nothing in it that JSON cannot say.
        let text = serde_json::to_string(message).unwrap_or_default();
        self.sink.send(tungstenite::Message::text(text)).await.map_err(|_| Lost)
    }

    /// What was typed, as text; what is none becomes U+FFFD.
    fn letters(&mut self, bytes: &[u8]) -> String {
        self.begun.extend_from_slice(bytes);
        let open = match self.begun.utf8_chunks().last() {
            Some(last) if is_begun(last.invalid()) => last.invalid().len(),
            _ => 0,
        };
        let rest = self.begun.split_off(self.begun.len() - open);
        let whole = std::mem::replace(&mut self.begun, rest);
        String::from_utf8_lossy(&whole).into_owned()
    }
}

/// Whether bytes that are no text can be the beginning of a letter.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// What comes from a terminal.
#[derive(Debug)]
pub(super) enum Told {
    Messages(Vec<TerminalOutput>),
    /// What was typed up to this byte has arrived.
    Arrived(u64),
    /// Something that is not what the protocol says.
    Garbage,
}

/// The direction from the terminal.
pub(super) struct Reading(SplitStream<WebSocketStream<Changed>>);

impl Reading {
    pub(super) async fn next(&mut self) -> Result<Told, Lost> {
        loop {
            match self.0.next().await {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    let messages = serde_json::Deserializer::from_str(&text).into_iter();
                    let messages: Result<Vec<TerminalOutput>, _> = messages.collect();
                    return Ok(messages.map_or(Told::Garbage, Told::Messages));
                }
                Some(Ok(tungstenite::Message::Pong(arrived))) => {
                    if let Ok(arrived) = <[u8; 8]>::try_from(&*arrived) {
                        return Ok(Told::Arrived(u64::from_be_bytes(arrived)));
                    }
                }
                Some(Ok(tungstenite::Message::Binary(_))) => return Ok(Told::Garbage),
                Some(Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Frame(_))) => {}
                // Not what the protocol of WebSocket says, so that nothing that comes can be believed.
                Some(Err(tungstenite::Error::Protocol(
                    tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
                ))) => return Err(Lost),
                Some(Err(
                    tungstenite::Error::Protocol(_)
                    | tungstenite::Error::Utf8(_)
                    | tungstenite::Error::Capacity(_),
                )) => return Ok(Told::Garbage),
                Some(Ok(tungstenite::Message::Close(_)) | Err(_)) | None => return Err(Lost),
            }
        }
    }
}
