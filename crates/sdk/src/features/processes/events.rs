//! What comes of a process that is followed.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{FutureExt, StreamExt};
use reveille_retry::History;
use reveille_wire::OutputStream;
use tokio::runtime::Handle;

use super::following::{Following, Form, is_exact};
use super::{LogPosition, Output, OutputEvent, Processes};
use crate::answer::StreamResponse;
use crate::core::runtime;
use crate::error::Error;

/// The most output that is held in memory, in bytes. What is larger has to be streamed.
const MOST_HELD: usize = 256 * 1024 * 1024;

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
        let following = Following::begun(processes, (id, name), response, form, until);
        Self { input, history, exactness: Some(form), ..Self::of(following) }
    }

    /// One of a process that began before, from a position in its log on, and to another one where that is said.
    pub(super) fn following(
        processes: Processes,
        id: &str,
        from: LogPosition,
        up_to: Option<LogPosition>,
    ) -> Self {
        let mut following = Following::new(processes, id, id).from(from);
        if let Some(up_to) = up_to {
            following.up_to(up_to);
        }
        Self::of(following)
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
