//! Watching a directory.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use http::Method;
use reveille_wire::{FilePath, InvalidInput, WatchEvent, WatchOp};

use super::Files;
use crate::answer::{Begun, Reading, StreamResponse};
use crate::call::{Call, Patience};
use crate::core::runtime;
use crate::error::{Error, ErrorKind};

/// The longest line of a watch, in bytes; a path is at most 4 KiB, and escaped at most six times as long.
const LINE: usize = 128 << 10;
/// How long a watch waits before it connects again where the last connection brought nothing, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watched {
    /// Something happened.
    Event(WatchEvent),
    /// What happened in a while is not known: the connection was lost and made anew, or more happened at once than
    /// the sandbox keeps. Look for yourself.
    Missed,
}

/// A watch that is to begin; by [`Files::watch`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is begun"]
pub struct Watch {
    files: Files,
    path: Result<FilePath, InvalidInput>,
    below: bool,
    ignored: Vec<String>,
}

impl Watch {
    pub(super) fn new(files: Files, path: Result<FilePath, InvalidInput>) -> Self {
        Self { files, path, below: false, ignored: Vec::new() }
    }

    /// Watches all that is below the directory, also what is made later.
    pub fn recursive(mut self) -> Self {
        self.below = true;
        self
    }

    /// Leaves out what holds this text in its path.
    pub fn ignore(mut self, text: impl Into<String>) -> Self {
        self.ignored.push(text.into());
        self
    }

    /// Begins: a [`Stream`] in async code, an [`Iterator`] by [`into_iter`](IntoIterator::into_iter) elsewhere. It
    /// connects again when the connection is lost, tells [`Watched::Missed`] once it has, and ends with an error when
    /// there is nothing to connect to, or when the directory is gone. Whether the watch is armed is not known before
    /// its first item on servers other than our own.
    ///
    /// ```no_run
    /// # let client = reveille::Client::from_env()?;
    /// use reveille::files::Watched;
    ///
    /// for item in client.sandbox("box").files().watch("/app").recursive().begin() {
    ///     match item? {
    ///         Watched::Event(event) => println!("{} {}/{}", event.op, event.path, event.name),
    ///         Watched::Missed => println!("something may have been missed"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), reveille::Error>(())
    /// ```
    #[must_use = "nothing is sent until it is read"]
    pub fn begin(self) -> Watching {
        let state = State {
            watch: self,
            connection: None,
            told: VecDeque::new(),
            lost: false,
            pause: PAUSE,
            ended: false,
        };
        Watching(stream::unfold(state, State::next).boxed())
    }

    fn connect(&self) -> Call<StreamResponse> {
        let path = self.path.clone().map(|path| {
            let path = if self.below { path.join("**") } else { path };
            path.as_url_path("/watch/filesystem")
        });
        let sandbox = self.files.sandbox();
        let mut operation = sandbox.endpoint(Method::GET, path).patience(Patience::Waiting);
        if !self.ignored.is_empty() {
            operation.query("ignore", &self.ignored.join(","));
        }
        let reading = Reading::SuccessStream(Box::new(|answer: Box<Begun>| Ok(StreamResponse::of(answer))));
        Call::new(sandbox.core(), operation, reading)
    }
}

/// A watch that goes on; by [`Watch::begin`].
pub struct Watching(BoxStream<'static, Result<Watched, Error>>);

struct State {
    watch: Watch,
    connection: Option<Connection>,
    told: VecDeque<Watched>,
    /// Whether a connection was lost, and none made since.
    lost: bool,
    pause: Duration,
    ended: bool,
}

struct Connection {
    answer: StreamResponse,
    line: BytesMut,
}

impl State {
    async fn next(mut self) -> Option<(Result<Watched, Error>, Self)> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some((Ok(told), self));
            }
            if self.ended {
                return None;
            }
            let Some(mut connection) = self.connection.take() else {
                if let Err(error) = self.connect().await {
                    self.ended = true;
                    return Some((Err(error), self));
                }
                continue;
            };
            match connection.answer.next().await {
                Some(Ok(piece)) => {
                    self.pause = PAUSE;
                    connection.line.extend_from_slice(&piece);
                    match lines(&mut connection.line) {
                        Ok(told) => self.told.extend(told),
                        Err(said) => {
                            self.ended = true;
                            let record = connection.answer.record().clone();
                            return Some((Err(Error::of_broken_stream(said, record)), self));
                        }
                    }
                    self.connection = Some(connection);
                }
                // Whether it broke or was closed: the directory is not gone because a connection is.
                Some(Err(error)) if error.kind() != ErrorKind::Interrupted => {
                    self.ended = true;
                    return Some((Err(error), self));
                }
                Some(Err(_)) | None => self.lost = true,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        if self.lost {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        let answer = self.watch.connect().await?;
        self.connection = Some(Connection { answer, line: BytesMut::new() });
        if self.lost {
            self.lost = false;
            self.told.push_back(Watched::Missed);
        }
        Ok(())
    }
}

/// Takes all whole lines.
fn lines(buffer: &mut BytesMut) -> Result<Vec<Watched>, &'static str> {
    let mut told = Vec::new();
    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
        let line = buffer.split_to(end + 1);
        let line = line.trim_ascii();
        if line.is_empty() || line == b"[keepalive]" {
            continue;
        }
        let event: WatchEvent =
            serde_json::from_slice(line).map_err(|_| "a line of the watch is not what the protocol says")?;
        let missed = event.ops().any(|op| op == WatchOp::Overflow);
        told.push(if missed { Watched::Missed } else { Watched::Event(event) });
    }
    if buffer.len() > LINE { Err("a line of the watch is longer than 128 KiB") } else { Ok(told) }
}

impl Stream for Watching {
    type Item = Result<Watched, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let runtime = match runtime::shared() {
            Ok(runtime) => runtime,
            Err(error) => return Poll::Ready(Some(Err(Error::local(error)))),
        };
        let _entered = runtime.enter();
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watching")
    }
}

#[cfg(feature = "blocking")]
impl IntoIterator for Watching {
    type Item = Result<Watched, Error>;
    type IntoIter = crate::answer::Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::answer::Blocking::new(self)
    }
}
