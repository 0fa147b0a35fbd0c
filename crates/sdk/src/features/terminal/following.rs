//! A session that is followed over the connections to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::HeaderValue;
use reveille_wire::header::BOOT;
use reveille_wire::{TerminalOutput, terminal_bytes};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::opening::{Asked, From};
use super::outbox::{Counts, Outbox, Size};
use super::shown::{TerminalEnd, TerminalEvent};
use super::socket::{Lost, Reading, Socket, Told, Writing};
use crate::error::{Error, ErrorKind};
use crate::record::Record;

/// The first pause after a connection that brought nothing; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that lasts for so long has brought something, also where nothing was said.
const LASTING: Duration = Duration::from_secs(5);
/// After so many connections in a row that brought nothing it is over.
const FRUITLESS: u32 = 12;
/// A connection over which nothing is heard of what was typed for so long is taken for dead.
const UNHEARD: Duration = Duration::from_secs(20);

/// A session that is followed.
pub(super) struct Following {
    asked: Asked,
    /// The size that the first connection asked for.
    first_size: Size,
    outbox: Arc<Outbox>,
    events: mpsc::Sender<Result<TerminalEvent, Error>>,
    /// What the session is called, where the terminal is exact.
    id: Option<String>,
    /// Which life of the sandbox it belongs to, where the sandbox says so.
    boot: Option<HeaderValue>,
    /// How many bytes of output have come, or are known to be missing.
    seen: u64,
    until: Option<Instant>,
    record: Record,
    fruitless: u32,
}

/// Why a connection is served no longer.
enum Ended {
    Lost,
    /// The shell has ended, or nobody reads any more.
    Over,
}

impl Following {
    pub(super) fn new(
        asked: Asked,
        outbox: Arc<Outbox>,
        events: mpsc::Sender<Result<TerminalEvent, Error>>,
        first: &Socket,
    ) -> Self {
        let (id, boot, until) = (first.id.clone(), first.boot.clone(), first.until());
        let (record, first_size) = (first.record().clone(), outbox.size());
        Self { asked, first_size, outbox, events, id, boot, seen: 0, until, record, fruitless: 0 }
    }

    /// Goes on until the shell ends, nobody reads any more, or it cannot.
    pub(super) async fn run(mut self, first: Socket) {
        let events = self.events.clone();
        let followed = match self.until {
            Some(until) => tokio::time::timeout_at(until, self.follow(first))
                .await
                .unwrap_or_else(|_| Err(self.lost("it was not over at the deadline"))),
            None => self.follow(first).await,
        };
        self.outbox.close();
        if let Err(error) = followed {
            // Whoever does not read any more does not need to know.
            let _unread = events.send(Err(error)).await;
        }
    }

    async fn follow(&mut self, first: Socket) -> Result<(), Error> {
        self.outbox.begin(first.counts(), self.first_size);
        let mut socket = first;
        loop {
            let begun = Instant::now();
            match self.serve(socket).await? {
                Ended::Over => return Ok(()),
                Ended::Lost => {
                    if begun.elapsed() >= LASTING {
                        self.fruitless = 0;
                    }
                    socket = self.reconnect().await?;
                }
            }
        }
    }

    /// Serves a connection in both directions.
    async fn serve(&mut self, socket: Socket) -> Result<Ended, Error> {
        let (writing, reading) = socket.open().await;
        let writing = Box::pin(write(Arc::clone(&self.outbox), writing));
        let events = self.events.clone();
        let unread = Box::pin(events.closed());
        let reading = Box::pin(self.read(reading));
        match select(reading, select(writing, unread)).await {
            Either::Left((read, _)) => read,
            // What has come before the connection was lost is still to be read.
            Either::Right((Either::Left((Lost, _)), reading)) => reading.await,
            Either::Right((Either::Right(((), _)), _)) => Ok(Ended::Over),
        }
    }

    async fn read(&mut self, mut reading: Reading) -> Result<Ended, Error> {
        loop {
            let told = match tokio::time::timeout(UNHEARD, reading.next()).await {
                Ok(Ok(told)) => told,
                Ok(Err(Lost)) => return Ok(Ended::Lost),
                Err(_) if self.outbox.has_waited(UNHEARD) => return Ok(Ended::Lost),
                Err(_) => continue,
            };
            match told {
                Told::Garbage => return Err(self.lost("what it says is not what the protocol says")),
                Told::Arrived(count) => {
                    // An answer to a question of another connection.
                    let _old = self.outbox.taken(count);
                }
                Told::Messages(messages) => {
                    for message in messages {
                        match self.hear(message)? {
                            None => {}
                            Some(event) => {
                                let is_end = matches!(event, TerminalEvent::Ended(_));
                                if self.events.send(Ok(event)).await.is_err() || is_end {
                                    return Ok(Ended::Over);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a message says, if it is anything to who reads.
    fn hear(&mut self, message: TerminalOutput) -> Result<Option<TerminalEvent>, Error> {
        match message {
            TerminalOutput::Output { data, encoding } => {
                let bytes = terminal_bytes(&data, encoding)
                    .map_err(|_| self.lost("what it says is not what the protocol says"))?;
                self.fruitless = 0;
                self.seen += bytes.len() as u64;
                Ok((!bytes.is_empty()).then(|| TerminalEvent::Output(Bytes::from(bytes.into_owned()))))
            }
            TerminalOutput::Truncated { bytes } => {
                self.seen = self.seen.saturating_add(bytes);
                Ok(Some(TerminalEvent::Missing { bytes }))
            }
            TerminalOutput::Taken { input } => {
                let taken = self.outbox.taken(input);
                taken.map_err(|_| self.lost("it does not know any more what was typed"))?;
                Ok(None)
            }
            TerminalOutput::Exit { code, signal } => {
                Ok(Some(TerminalEvent::Ended(TerminalEnd { code, signal })))
            }
            TerminalOutput::Error { data } => Err(Error::of_refusal(data.trim(), self.record.clone())),
            _ => Ok(None),
        }
    }

    async fn reconnect(&mut self) -> Result<Socket, Error> {
        let mut is_told = false;
        loop {
            self.pause().await?;
            let from = From { id: self.id.as_deref(), seen: self.seen };
            let size = self.outbox.size();
            let socket = match self.asked.connect(size, Some(&from)).await {
                Ok(socket) => socket,
                Err(error) if self.is_passing(&error) => {
                    if !is_told {
                        self.tell(TerminalEvent::Disconnected).await;
                        is_told = true;
                    }
                    continue;
                }
                Err(error) => return Err(self.not_gone_on(&error)),
            };
            if is_another(self.boot.as_ref(), socket.boot.as_ref()) || socket.id != self.id {
                return Err(self.gone());
            }
            let unsure = self.outbox.begin(socket.counts(), size);
            let repeats = socket.counts() == Counts::Not;
            self.tell(TerminalEvent::Reconnected { unsure, repeats }).await;
            return Ok(socket);
        }
    }

    async fn tell(&self, event: TerminalEvent) {
        if self.events.send(Ok(event)).await.is_err() {
            // The next turn sees that nobody reads.
            tracing::debug!("nobody reads a terminal any more");
        }
    }

    /// Waits before the next connection, if the latest brought nothing.
    async fn pause(&mut self) -> Result<(), Error> {
        self.fruitless += 1;
        if self.fruitless > FRUITLESS {
            return Err(self.lost("its connection breaks again and again"));
        }
        if self.fruitless > 1 {
            let doublings = self.fruitless.saturating_sub(2).min(10);
            tokio::time::sleep((FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE)).await;
        }
        Ok(())
    }

    /// Whether it may go on although it could not be connected to.
    fn is_passing(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Unavailable && self.fruitless < FRUITLESS
    }

    fn not_gone_on(&self, error: &Error) -> Error {
        let boot = error.headers().and_then(|headers| headers.get(BOOT));
        match error.kind() {
            _ if is_another(self.boot.as_ref(), boot) => self.gone(),
            ErrorKind::NotFound => self.lost(&format!("it is not there any more: {error}")),
            _ => self.lost(&format!("its connection was lost, and there is no other: {error}")),
        }
    }

    fn gone(&self) -> Error {
        self.lost("the sandbox started anew, and its terminals are gone")
    }

    fn lost(&self, said: &str) -> Error {
        Error::of_terminal(said, &self.asked.session)
    }
}

fn is_another(known: Option<&HeaderValue>, now: Option<&HeaderValue>) -> bool {
    matches!((known, now), (Some(known), Some(now)) if known != now)
}

async fn write(outbox: Arc<Outbox>, mut writing: Writing) -> Lost {
    loop {
        let next = outbox.next().await;
        if writing.send(next).await.is_err() {
            return Lost;
        }
    }
}
