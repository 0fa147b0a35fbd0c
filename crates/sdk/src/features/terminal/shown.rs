use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::Stream;
use reveille_retry::History;
use tokio::sync::mpsc;

use super::input::TerminalInput;
use super::outbox::Counts;
use crate::error::Error;

/// What happens at a terminal: a [`Stream`] of events in async code, an [`Iterator`] by
/// [`into_iter`](IntoIterator::into_iter) elsewhere; what is typed goes by way of [`input`](Self::input).
///
/// Made by [`Sandbox::terminal`](crate::Sandbox::terminal). It ends with [`TerminalEvent::Ended`], or with an error. A
/// connection that breaks, because the sandbox slept or its agent was upgraded, is no end: another one goes on with the
/// same session. Where the sandbox counts what it is sent and has sent ([`is_exact`](Self::is_exact)), nothing is lost or
/// repeated then, in either direction; elsewhere [`TerminalEvent::Reconnected`] says what may be.
///
/// To drop it ends the connection, and not the shell: whoever opens the same [session](Self::session) finds it.
pub struct Terminal {
    pub(super) events: mpsc::Receiver<Result<TerminalEvent, Error>>,
    pub(super) input: TerminalInput,
    pub(super) session: String,
    pub(super) history: History,
    pub(super) counts: Counts,
}

/// What happens at a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalEvent {
    /// This appears on the screen: text, with the escape sequences of the program that wrote it.
    Output(Bytes),
    /// Output is missing here: the sandbox does not keep it any more.
    Missing {
        /// How many bytes.
        bytes: u64,
    },
    /// The connection was lost, and the first try to make another one has failed: it is tried again.
    /// [`Reconnected`](Self::Reconnected) follows, or an error. A loss that is over sooner has none of this.
    Disconnected,
    /// The connection was lost, and another one goes on.
    Reconnected {
        /// What was typed and may not have arrived. It is not typed again, as it may. Empty where the sandbox counts
        /// what it is sent.
        unsure: Bytes,
        /// Whether what follows begins with the end of what has come before.
        repeats: bool,
    },
    /// The shell has ended. Nothing comes after this.
    Ended(TerminalEnd),
}

/// How a shell ended. Neither is known where the sandbox does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TerminalEnd {
    /// Its exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
}

impl Terminal {
    /// Its keyboard and its window, for whoever types while somebody reads.
    #[must_use]
    pub fn input(&self) -> TerminalInput {
        self.input.clone()
    }

    /// The name of its session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Every attempt up to the opening of the session.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether the sandbox counts what it is sent and has sent, and says how the shell ends. The platform's does
    /// neither: there no end comes when the shell ends.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.counts == Counts::Itself
    }
}

impl Stream for Terminal {
    type Item = Result<TerminalEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

#[cfg(feature = "blocking")]
impl IntoIterator for Terminal {
    type Item = Result<TerminalEvent, Error>;
    type IntoIter = crate::answer::Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::answer::Blocking::new(self)
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("session", &self.session).finish_non_exhaustive()
    }
}
