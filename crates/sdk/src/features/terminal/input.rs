use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use bytes::Bytes;

use super::outbox::{Outbox, Size};
use crate::call::CallFuture;
use crate::error::Error;

/// The keyboard of a [`Terminal`](crate::Terminal), and its window. Cheap to clone, and good on any thread.
#[derive(Clone)]
pub struct TerminalInput {
    outbox: Arc<Outbox>,
    session: Arc<str>,
}

impl TerminalInput {
    pub(super) fn new(outbox: Arc<Outbox>, session: &str) -> Self {
        Self { outbox, session: session.into() }
    }

    /// Types: bytes as the keys of a terminal give them, such as `"ls\n"` or, for Ctrl-C, `"\x03"`.
    pub fn send(&self, keys: impl Into<Bytes>) -> Typing {
        Typing { input: self.clone(), keys: keys.into() }
    }

    /// The window has another size. It is told as soon as it can be, and counts for later connections, too.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.outbox.resize(Size { cols, rows });
    }

    /// Nobody sits at the terminal any more, and the shell is told so (`SIGHUP`), after everything that was typed. Our
    /// own agent knows of it; elsewhere it does nothing.
    pub fn hang_up(&self) {
        self.outbox.hang_up();
    }
}

impl fmt::Debug for TerminalInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what was typed, which may be a password.
        f.debug_struct("TerminalInput").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Keys that are to be typed; made by [`TerminalInput::send`]. Nothing is typed until it is awaited.
///
/// It is done when they are on their way. Up to 1 MiB is, and who types more waits until the terminal has taken it. What
/// may have been lost with a connection is told by [`TerminalEvent::Reconnected`](crate::TerminalEvent::Reconnected).
#[must_use = "nothing is typed until it is awaited, or waited for with `.wait()`"]
pub struct Typing {
    input: TerminalInput,
    keys: Bytes,
}

impl Typing {
    /// Types on this thread.
    ///
    /// # Errors
    /// When the terminal is no more.
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<(), Error> {
        pollster::block_on(self.run())
    }

    async fn run(self) -> Result<(), Error> {
        let Self { input: TerminalInput { outbox, session }, keys } = self;
        let is_taken = outbox.put(keys).await;
        if is_taken { Ok(()) } else { Err(Error::of_terminal("it is over, and takes nothing", &session)) }
    }
}

impl IntoFuture for Typing {
    type Output = Result<(), Error>;
    type IntoFuture = CallFuture<()>;

    fn into_future(self) -> CallFuture<()> {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Typing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typing({} bytes)", self.keys.len())
    }
}
