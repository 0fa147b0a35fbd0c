//! Following a process over connections that come and go.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use reveille_wire::header::{BOOT, STREAM, STREAM_EXACT};
use reveille_wire::{ExecFrame, ExecFrameKind, OutputStream, ProcessStatus};

use super::lines::Lines;
use super::{LogPosition, OutputEvent, Processes};
use crate::answer::StreamResponse;
use crate::error::{Error, ErrorKind};

/// The first pause after a connection that brought nothing; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that lasts for so long has brought something, also where the process was silent.
const LASTING: Duration = Duration::from_secs(5);
/// After so many connections in a row that brought nothing it is over.
const FRUITLESS: u32 = 10;

/// What a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
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
pub(super) struct Following {
    processes: Processes,
    /// What it is asked for by.
    pub(super) id: String,
    /// What people know it by.
    name: String,
    connection: Option<Connection>,
    /// How many bytes of each stream have come or are known to be missing.
    position: [u64; 2],
    /// Where it ends although the process goes on.
    up_to: Option<[u64; 2]>,
    restarts: usize,
    /// Whether something has come that was no text and is none any more.
    lossy: bool,
    /// Which life of the sandbox it belongs to, where the sandbox says so.
    boot: Option<HeaderValue>,
    until: Option<Instant>,
    /// Whether anything has been connected to.
    begun: bool,
    fruitless: u32,
    over: bool,
}

struct Connection {
    lines: Lines,
    since: Instant,
    form: Form,
    /// How much of what comes has come before.
    replayed: [u64; 2],
    replayed_restarts: usize,
}

impl Connection {
    fn new(response: StreamResponse, form: Form, replayed: [u64; 2], replayed_restarts: usize) -> Self {
        Self { lines: Lines::of(response), since: Instant::now(), form, replayed, replayed_restarts }
    }
}

pub(super) fn is_exact(response: &StreamResponse) -> bool {
    response.headers().get(STREAM).is_some_and(|value| value == STREAM_EXACT)
}

impl Following {
    /// One that goes on with a connection that its process began with.
    pub(super) fn begun(
        processes: Processes,
        (id, name): (&str, &str),
        response: StreamResponse,
        form: Form,
        until: Option<Instant>,
    ) -> Self {
        let boot = response.headers().get(BOOT).cloned();
        let connection = Connection::new(response, form, [0; 2], 0);
        Self { connection: Some(connection), until, boot, begun: true, ..Self::new(processes, id, name) }
    }

    pub(super) fn new(processes: Processes, id: &str, name: &str) -> Self {
        Self {
            processes,
            id: id.to_owned(),
            name: name.to_owned(),
            connection: None,
            position: [0; 2],
            up_to: None,
            restarts: 0,
            lossy: false,
            boot: None,
            until: None,
            begun: false,
            fruitless: 0,
            over: false,
        }
    }

    /// Begins where so much has come.
    pub(super) fn from(mut self, position: LogPosition) -> Self {
        self.position = position.bytes();
        self
    }

    /// Ends where so much has come.
    pub(super) fn up_to(&mut self, position: LogPosition) {
        self.up_to = Some(position.bytes());
    }

    fn is_far_enough(&self) -> bool {
        self.up_to.is_some_and(|[out, err]| self.position[0] >= out && self.position[1] >= err)
    }

    /// The next thing that happens; nothing after the end or an error.
    pub(super) async fn next(&mut self) -> Option<Result<OutputEvent, Error>> {
        if self.over || self.is_far_enough() {
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
                    self.let_go();
                    // A log of the platform ends when its process does, and says no more.
                    if matches!(form, Form::Log | Form::Text)
                        && let Some(ended) = self.ended().await?
                    {
                        return Ok(ended);
                    }
                    self.pause().await?;
                }
                Err(broken) => {
                    self.let_go();
                    if self.until.is_some_and(|until| Instant::now() >= until) {
                        return Err(broken.about(&self.name));
                    }
                    self.pause().await?;
                }
            }
        }
    }

    /// The connection is over.
    fn let_go(&mut self) {
        let connection = self.connection.take();
        if connection.is_some_and(|connection| connection.since.elapsed() >= LASTING) {
            self.fruitless = 0;
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
        let (response, until) = match call.await {
            Ok(begun) => begun,
            Err(error) if !self.begun => return Err(error.about(&self.name)),
            Err(error) => return Err(self.not_read_on(&error)),
        };
        self.begun = true;
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
        self.connection = Some(Connection::new(response, form, replayed, replayed_restarts));
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
