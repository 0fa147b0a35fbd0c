//! Following a process over connections that come and go.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{FutureExt, StreamExt};
use http::HeaderValue;
use reveille_retry::History;
use reveille_wire::header::{BOOT, STREAM, STREAM_EXACT};
use reveille_wire::{ExecFrame, ExecFrameKind, OutputStream, ProcessStatus};
use tokio::runtime::Handle;

use super::lines::Lines;
use super::{Output, OutputEvent, Processes};
use crate::answer::StreamResponse;
use crate::core::runtime;
use crate::error::{Error, ErrorKind};

/// The most output that is held in memory, in bytes. What is larger has to be streamed.
const MOST_HELD: usize = 256 * 1024 * 1024;
/// The first pause after a connection that brought nothing; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so many connections in a row that brought nothing it is over.
const FRUITLESS: u32 = 10;

/// The output of a process as it comes, and how it ended: a [`Stream`] of events in async code, an [`Iterator`] by
/// [`into_iter`](IntoIterator::into_iter) elsewhere.
///
/// Made by [`Exec::stream`](crate::Exec::stream) and [`Processes::follow`](crate::Processes::follow). It ends with
/// [`OutputEvent::Ended`], or with an error. A connection that breaks, because the sandbox slept or its agent was
/// upgraded, is no end: it is read on where it broke, and no byte comes twice. To drop it ends the following, and not
/// the process.
///
/// Where the sandbox sends bytes, they are the bytes that the process wrote ([`is_exact`](Self::is_exact)). Older
/// platforms send text; there what is no UTF-8 arrives as U+FFFD.
pub struct ProcessStream {
    events: BoxStream<'static, Result<OutputEvent, Error>>,
    input: Option<BoxFuture<'static, Result<(), Error>>>,
    history: History,
    exactness: Option<Form>,
    id: String,
    /// The runtime that its connections belong to.
    runtime: Option<Handle>,
}

/// What a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Frames with bytes, from any byte on, and the result.
    Exact,
    /// Frames with text, and the result.
    Execution,
    /// Frames with bytes, from the start of the log.
    Log,
    /// Lines of text, from the start of the log.
    Text,
}

/// A process that is followed.
struct Following {
    processes: Processes,
    /// What it is asked for by.
    id: String,
    /// What people know it by.
    name: String,
    connection: Option<Connection>,
    /// How many bytes of each stream have come or are known to be missing.
    position: [u64; 2],
    restarts: usize,
    /// Whether something has come that was no text and is none any more.
    lossy: bool,
    /// Which life of the sandbox it belongs to, where the sandbox says so.
    boot: Option<HeaderValue>,
    until: Option<Instant>,
    fruitless: u32,
    over: bool,
}

struct Connection {
    lines: Lines,
    form: Form,
    /// How much of what comes has come before.
    replayed: [u64; 2],
    replayed_restarts: usize,
}

impl ProcessStream {
    /// One that has begun with its process.
    pub(super) fn begun(
        processes: Processes,
        (id, name): (&str, &str),
        response: StreamResponse,
        until: Option<Instant>,
        input: Option<BoxFuture<'static, Result<(), Error>>>,
    ) -> Self {
        let history = response.history().clone();
        let form = if is_exact(&response) { Form::Exact } else { Form::Execution };
        let boot = response.headers().get(BOOT).cloned();
        let connection =
            Connection { lines: Lines::of(response), form, replayed: [0; 2], replayed_restarts: 0 };
        let mut following = Following::new(processes, id, name);
        (following.connection, following.until, following.boot) = (Some(connection), until, boot);
        Self { input, history, exactness: Some(form), ..Self::of(following) }
    }

    /// One of a process that began before.
    pub(super) fn following(processes: Processes, id: &str) -> Self {
        Self::of(Following::new(processes, id, id))
    }

    fn of(following: Following) -> Self {
        let id = following.id.clone();
        let events = stream::unfold(following, |mut following| async {
            let event = following.next().await?;
            Some((event, following))
        });
        Self {
            events: events.boxed(),
            input: None,
            history: History::default(),
            exactness: None,
            id,
            runtime: None,
        }
    }

    /// What the process can be asked for by: its number where the sandbox has said it, else its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every attempt up to the start of the process; empty where it began before.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether the sandbox sends the bytes that the process writes. One of an older kind sends text; nothing where no
    /// connection has been made yet.
    #[must_use]
    pub fn is_exact(&self) -> Option<bool> {
        self.exactness.map(|form| form == Form::Exact)
    }

    /// Reads to the end, and gives all of it.
    ///
    /// # Errors
    /// When output is missing, or the process cannot be followed to its end.
    pub async fn output(mut self) -> Result<Output, Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(event) = self.next().await {
            match event? {
                OutputEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                OutputEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                OutputEvent::Restart(_) => {}
                OutputEvent::Missing { stream, bytes } => {
                    return Err(Error::of_process(&missing(stream, bytes), &self.id));
                }
                OutputEvent::Ended(process) => return Ok(Output::new(*process, stdout, stderr)),
            }
            if stdout.len() + stderr.len() > MOST_HELD {
                let said = "the output is too large to be held in memory; stream it";
                return Err(Error::of_process(said, &self.id));
            }
        }
        Err(Error::of_process("its output ended before it did", &self.id))
    }
}

/// What is said of output that is missing.
fn missing(stream: Option<OutputStream>, bytes: Option<u64>) -> String {
    let bytes = bytes.map_or_else(|| "some".to_owned(), |bytes| format!("{bytes} bytes"));
    let stream = stream.map_or_else(|| "its output".to_owned(), |stream| format!("its {stream}"));
    format!("{bytes} of {stream} are gone: the sandbox does not keep them any more")
}

fn is_exact(response: &StreamResponse) -> bool {
    response.headers().get(STREAM).is_some_and(|value| value == STREAM_EXACT)
}

impl Following {
    fn new(processes: Processes, id: &str, name: &str) -> Self {
        Self {
            processes,
            id: id.to_owned(),
            name: name.to_owned(),
            connection: None,
            position: [0; 2],
            restarts: 0,
            lossy: false,
            boot: None,
            until: None,
            fruitless: 0,
            over: false,
        }
    }

    /// The next thing that happens; nothing after the end or an error.
    async fn next(&mut self) -> Option<Result<OutputEvent, Error>> {
        if self.over {
            return None;
        }
        let event = self.event().await;
        self.over = matches!(event, Err(_) | Ok(OutputEvent::Ended(_)));
        Some(event)
    }

    async fn event(&mut self) -> Result<OutputEvent, Error> {
        loop {
            let Some(connection) = &mut self.connection else {
                self.connect().await?;
                continue;
            };
            let form = connection.form;
            match connection.lines.next().await {
                Ok(Some(line)) => {
                    let event = match form {
                        Form::Text => self.text(&line),
                        Form::Exact | Form::Execution | Form::Log => self.frame(&line)?,
                    };
                    if let Some(event) = event {
                        self.fruitless = 0;
                        return Ok(event);
                    }
                }
                Ok(None) => {
                    self.connection = None;
                    // A log of the platform ends when its process does, and says no more.
                    if matches!(form, Form::Log | Form::Text)
                        && let Some(ended) = self.ended().await?
                    {
                        return Ok(ended);
                    }
                    self.pause().await?;
                }
                Err(broken) => {
                    self.connection = None;
                    if self.until.is_some_and(|until| Instant::now() >= until) {
                        return Err(broken.about(&self.name));
                    }
                    self.pause().await?;
                }
            }
        }
    }

    /// Waits before the next connection, if the latest brought nothing.
    async fn pause(&mut self) -> Result<(), Error> {
        self.fruitless += 1;
        if self.fruitless > FRUITLESS {
            return Err(self.lost("its output breaks off again and again"));
        }
        let doublings = self.fruitless.saturating_sub(1).min(10);
        if self.fruitless > 1 {
            tokio::time::sleep((FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE)).await;
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let call = self.processes.log_stream(&self.id, self.position, self.left());
        let begun_before = self.position != [0; 2] || self.boot.is_some();
        let (response, until) = match call.await {
            Ok(begun) => begun,
            Err(error) if !begun_before => return Err(error.about(&self.name)),
            Err(error) => return Err(self.not_read_on(&error)),
        };
        self.until = self.until.or(until);
        let boot = response.headers().get(BOOT).cloned();
        if self.boot.is_some() && boot.is_some() && self.boot != boot {
            return Err(self.gone());
        }
        self.boot = self.boot.take().or(boot);
        let media = response.headers().get(http::header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let form = match media {
            _ if is_exact(&response) => Form::Exact,
            Some(media) if media.contains("ndjson") => Form::Log,
            _ => Form::Text,
        };
        if self.lossy && form != Form::Text {
            return Err(self.lost("its output broke off, and what came of it before was no text"));
        }
        let (replayed, replayed_restarts) =
            if form == Form::Exact { ([0; 2], 0) } else { (self.position, self.restarts) };
        self.connection = Some(Connection { lines: Lines::of(response), form, replayed, replayed_restarts });
        Ok(())
    }

    fn left(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    fn not_read_on(&self, error: &Error) -> Error {
        let boot = error.headers().and_then(|headers| headers.get(BOOT));
        match error.kind() {
            _ if self.boot.is_some() && boot.is_some() && boot != self.boot.as_ref() => self.gone(),
            ErrorKind::NotFound => self.lost(&format!("it is not known any more: {error}")),
            _ => self.lost(&format!("its output broke off, and cannot be read on: {error}")),
        }
    }

    fn gone(&self) -> Error {
        self.lost("the sandbox started anew, and its processes are gone")
    }

    fn lost(&self, said: &str) -> Error {
        Error::of_process(said, &self.name)
    }

    /// The end of the process, if it has come.
    async fn ended(&mut self) -> Result<Option<OutputEvent>, Error> {
        let mut call = self.processes.get(&self.id);
        if let Some(left) = self.left() {
            call = call.deadline(left);
        }
        let process = call.await.map_err(|error| self.not_read_on(&error))?;
        Ok((process.status != ProcessStatus::Running).then(|| OutputEvent::Ended(Box::new(process))))
    }

    /// What a frame says, unless it has been said before.
    fn frame(&mut self, line: &[u8]) -> Result<Option<OutputEvent>, Error> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let not_the_protocol =
            |following: &Self| following.lost("a line of its output is not what the protocol says");
        let Ok(frame) = serde_json::from_slice::<ExecFrame>(line) else { return Err(not_the_protocol(self)) };
        match frame.kind {
            ExecFrameKind::Stdout | ExecFrameKind::Stderr => {
                let at = if frame.kind == ExecFrameKind::Stdout {
                    OutputStream::Stdout
                } else {
                    OutputStream::Stderr
                };
                let bytes = frame.into_bytes().map_err(|_| not_the_protocol(self))?;
                Ok(self.output(at, &bytes.into()))
            }
            ExecFrameKind::Restart => Ok(self.restart(frame.data)),
            ExecFrameKind::Truncated => Ok(Some(self.missing(frame.stream, frame.bytes))),
            ExecFrameKind::Result => match serde_json::from_str(&frame.data) {
                Ok(process) => Ok(Some(OutputEvent::Ended(Box::new(process)))),
                Err(_) => Err(not_the_protocol(self)),
            },
            ExecFrameKind::Error => Err(self.refused(&frame.data)),
            _ => Ok(None),
        }
    }

    /// The sandbox says that it could not be run, or not to its end.
    fn refused(&self, said: &str) -> Error {
        let record = self.connection.as_ref().map(|connection| connection.lines.response().record().clone());
        match record {
            Some(record) => Error::of_refusal(said.trim(), record).about(&self.name),
            None => self.lost(said.trim()),
        }
    }

    fn restart(&mut self, data: String) -> Option<OutputEvent> {
        let connection = self.connection.as_mut()?;
        if connection.form == Form::Exact {
            self.position[0] += data.len() as u64;
        } else if connection.replayed_restarts > 0 {
            connection.replayed_restarts -= 1;
            return None;
        }
        self.restarts += 1;
        Some(OutputEvent::Restart(data))
    }

    fn missing(&mut self, stream: Option<OutputStream>, bytes: Option<u64>) -> OutputEvent {
        if let (Some(stream), Some(bytes)) = (stream, bytes) {
            self.position[stream as usize] = self.position[stream as usize].saturating_add(bytes);
        }
        OutputEvent::Missing { stream, bytes }
    }

    /// Output, without what of it has come before.
    fn output(&mut self, stream: OutputStream, bytes: &Bytes) -> Option<OutputEvent> {
        let connection = self.connection.as_mut()?;
        if matches!(connection.form, Form::Execution | Form::Text) {
            self.lossy |= bytes.windows(3).any(|letter| letter == "\u{FFFD}".as_bytes());
        }
        let replayed = &mut connection.replayed[stream as usize];
        let skipped = usize::try_from(*replayed).unwrap_or(usize::MAX).min(bytes.len());
        *replayed -= skipped as u64;
        let fresh = bytes.slice(skipped..);
        self.position[stream as usize] += fresh.len() as u64;
        match stream {
            _ if fresh.is_empty() => None,
            OutputStream::Stdout => Some(OutputEvent::Stdout(fresh)),
            OutputStream::Stderr => Some(OutputEvent::Stderr(fresh)),
        }
    }

    /// What a line of a log says that is sent as text.
    fn text(&mut self, line: &Bytes) -> Option<OutputEvent> {
        for (prefix, stream) in [("stdout:", OutputStream::Stdout), ("stderr:", OutputStream::Stderr)] {
            if line.starts_with(prefix.as_bytes()) {
                let text = [&line[prefix.len()..], b"\n"].concat();
                return self.output(stream, &text.into());
            }
        }
        // What is neither a line of the process nor a sign of life says that lines are missing.
        let nothing = line.trim_ascii().is_empty() || line.starts_with(b"[keepalive]");
        (!nothing).then(|| self.missing(None, None))
    }
}

impl Stream for ProcessStream {
    type Item = Result<OutputEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.runtime.is_none() {
            match runtime::here_for_long() {
                Ok(runtime) => self.runtime = Some(runtime),
                Err(error) => return Poll::Ready(Some(Err(Error::local(error)))),
            }
        }
        let this = &mut *self;
        let _entered = this.runtime.as_ref().map(Handle::enter);
        if let Some(input) = &mut this.input
            && let Poll::Ready(written) = input.poll_unpin(cx)
        {
            this.input = None;
            if let Err(error) = written {
                this.events = stream::empty().boxed();
                return Poll::Ready(Some(Err(error)));
            }
        }
        this.events.poll_next_unpin(cx)
    }
}

impl fmt::Debug for ProcessStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessStream").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(feature = "blocking")]
impl IntoIterator for ProcessStream {
    type Item = Result<OutputEvent, Error>;
    type IntoIter = crate::answer::Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::answer::Blocking::new(self)
    }
}
