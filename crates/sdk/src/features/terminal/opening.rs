use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method};
use reveille_retry::{Attempt, Replay};
use reveille_wire::header::{STREAM, STREAM_EXACT};
use reveille_wire::hop;
use tokio::sync::mpsc;

use super::following::Following;
use super::input::TerminalInput;
use super::outbox::{Outbox, Size};
use super::shown::Terminal;
use super::socket::{Socket, Wish};
use crate::answer::{Changed, Reading};
use crate::call::{Call, CallFuture, OnAttempt};
use crate::core::runtime::{self, OnFound};
use crate::error::Error;
use crate::features::Sandbox;

/// What a sandbox says of itself that runs commands at terminals, and counts what is typed there.
const EXACT: &str = "exact-terminals";
/// How many events wait for who reads them; with more, the sandbox waits.
const EVENTS: usize = 16;

/// A terminal that is to be opened: a session of this name that runs, or a new one; made by
/// [`Sandbox::terminal`](crate::Sandbox::terminal). Nothing is sent until it is awaited, or waited for with `.wait()`.
///
/// To begin a session is an effect: a sandbox that sleeps is woken first, and the request is sent once.
///
/// ```no_run
/// # fn main() -> Result<(), reveille::Error> {
/// # let sandbox = reveille::Client::from_env()?.sandbox("box");
/// use reveille::TerminalEvent;
///
/// let terminal = sandbox.terminal().size(100, 30).dir("/app").wait()?;
/// let input = terminal.input();
/// input.send("make test; exit\n").wait()?;
/// for event in terminal {
///     match event? {
///         TerminalEvent::Output(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
///         TerminalEvent::Ended(end) => println!("exit code {:?}", end.code),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is awaited, or waited for with `.wait()`"]
pub struct OpenTerminal {
    asked: Asked,
    size: Size,
    deadline: Option<Duration>,
    on_attempt: Option<OnAttempt>,
}

/// What every connection asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    sandbox: Sandbox,
    pub(super) session: String,
    shell: Option<String>,
    dir: Option<String>,
    command: Option<String>,
    /// The name by which it types.
    client: String,
}

/// Where a session goes on.
pub(super) struct From<'a> {
    /// What it is called, where the terminal is exact.
    pub(super) id: Option<&'a str>,
    /// How many bytes of output have come.
    pub(super) seen: u64,
}

impl OpenTerminal {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        let session = format!("terminal-{:08x}", fastrand::u32(..));
        let client = format!("{:016x}", fastrand::u64(..));
        let asked = Asked { sandbox, session, shell: None, dir: None, command: None, client };
        Self { asked, size: Size::default(), deadline: None, on_attempt: None }
    }

    /// The size of the window, in letters; 80 to 24 where nothing is said.
    pub fn size(mut self, cols: u16, rows: u16) -> Self {
        self.size = Size { cols, rows };
        self
    }

    /// The session of this name: the one that runs, whatever else is said here, or a new one. Without it, a new one.
    pub fn session(mut self, name: impl Into<String>) -> Self {
        self.asked.session = name.into();
        self
    }

    /// The shell; the sandbox's own when nothing is said.
    pub fn shell(mut self, program: impl Into<String>) -> Self {
        self.asked.shell = Some(program.into());
        self
    }

    /// Where it begins.
    pub fn dir(mut self, dir: impl Into<String>) -> Self {
        self.asked.dir = Some(dir.into());
        self
    }

    /// What the shell runs, and ends with; without it it reads what is typed. Our own agent knows of it; elsewhere it is
    /// an error, and nothing is begun.
    pub fn command(mut self, line: impl Into<String>) -> Self {
        self.asked.command = Some(line.into());
        self
    }

    /// Ends the terminal after this long, with an error. The shell runs on.
    pub fn deadline(mut self, most: Duration) -> Self {
        self.deadline = Some(most);
        self
    }

    /// Calls `hook` after each attempt to open it.
    pub fn on_attempt(mut self, hook: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        self.on_attempt = Some(Arc::new(hook));
        self
    }

    /// The name of the session.
    #[must_use]
    pub fn named(&self) -> &str {
        &self.asked.session
    }

    /// Opens it on this thread.
    ///
    /// # Errors
    /// When the sandbox cannot be reached, or the shell not be started.
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<Terminal, Error> {
        runtime::wait_beside(self.run()).map_err(Error::local)?
    }

    async fn run(self) -> Result<Terminal, Error> {
        let Self { asked, size, deadline, on_attempt } = self;
        if asked.command.is_some() {
            asked.can_run_a_command().await?;
        }
        let mut call = asked.connect(size, None);
        if let Some(deadline) = deadline {
            call = call.deadline(deadline);
        }
        if let Some(hook) = on_attempt {
            call = call.on_attempt(move |attempt| hook(attempt));
        }
        let socket = call.await?;
        let (session, history, counts) =
            (asked.session.clone(), socket.record().history.clone(), socket.counts());
        let outbox = Arc::new(Outbox::new(size));
        let (tell, events) = mpsc::channel(EVENTS);
        let input = TerminalInput::new(Arc::clone(&outbox), &session);
        tokio::spawn(Following::new(asked, outbox, tell, &socket).run(socket));
        Ok(Terminal { events, input, session, history, counts })
    }
}

impl Asked {
    async fn can_run_a_command(&self) -> Result<(), Error> {
        let health = self.sandbox.system().health().await?;
        if health.capabilities.iter().any(|word| word == EXACT) {
            return Ok(());
        }
        Err(Error::input("this sandbox opens shells at terminals, and runs no command there by itself"))
    }

    /// Connects to the session: to one that is there, or, where it is not said how that goes on, to a new one.
    pub(super) fn connect(&self, size: Size, from: Option<&From<'_>>) -> Call<Socket> {
        let wish = Wish::new();
        // To find the session that is called so changes nothing; to open one of a name may begin it.
        let replay = if from.is_some_and(|from| from.id.is_some()) { Replay::Read } else { Replay::Never };
        let mut operation = self.sandbox.endpoint(Method::GET, Ok("/terminal/ws".to_owned())).declare(replay);
        hop::write_upgrade(&mut operation.headers, HeaderValue::from_static("websocket"));
        for (name, value) in wish.headers() {
            operation = operation.header(name, value);
        }
        operation = operation.header(STREAM, HeaderValue::from_static(STREAM_EXACT));
        operation.query("cols", &size.cols.to_string());
        operation.query("rows", &size.rows.to_string());
        operation.query("sessionId", &self.session);
        operation.query("client", &self.client);
        let said = [("shell", &self.shell), ("workingDir", &self.dir), ("command", &self.command)];
        for (name, value) in said {
            if let Some(value) = value {
                operation.query(name, value);
            }
        }
        if let Some(From { id: Some(id), seen }) = from {
            operation.query("terminal", id);
            operation.query("from", &seen.to_string());
        }
        let reading = Reading::Changed(Box::new(move |answer| Socket::of(Changed::of(answer), &wish)));
        Call::new(self.sandbox.core(), operation, reading)
    }
}

impl IntoFuture for OpenTerminal {
    type Output = Result<Terminal, Error>;
    type IntoFuture = CallFuture<Terminal>;

    fn into_future(self) -> CallFuture<Terminal> {
        Box::pin(OnFound::new(runtime::here_for_long, self.run()))
    }
}

impl std::fmt::Debug for OpenTerminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenTerminal").field("session", &self.asked.session).finish_non_exhaustive()
    }
}
