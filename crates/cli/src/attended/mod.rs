//! Somebody who sits at this terminal, and works at one in a sandbox.

mod escape;
#[cfg(unix)]
mod raw;
#[cfg(not(unix))]
#[path = "raw_elsewhere.rs"]
mod raw;

use std::io::{self, IsTerminal};

use futures_util::StreamExt;
use reveille::{OpenTerminal, Terminal, TerminalEnd, TerminalEvent, TerminalInput};
use tokio::io::AsyncReadExt;

use self::escape::{Escape, Typed};
use self::raw::RawMode;
use crate::interrupt::{WindowChanges, asked_to_end};
use crate::output::Screen;
use crate::report::{Asked, Failure};

/// How much of what is typed is handed on at once, in bytes.
const AT_ONCE: usize = 16 << 10;
/// How long a shell has to end that was told that nobody sits at its terminal any more.
const TO_HANG_UP: std::time::Duration = std::time::Duration::from_secs(2);

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// The shell did.
    Ended(TerminalEnd),
    /// Whoever sat there left; the shell goes on.
    Away,
    /// This process was asked to end; the shell was told so, or goes on.
    Interrupted(Shell),
}

/// What became of a shell that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Ended,
    GoesOn,
}

/// What becomes of the shell when this process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenInterrupted {
    HangUp,
    Leave,
}

/// The size of the window, where there is one.
fn window() -> (u16, u16) {
    let size = terminal_size::terminal_size_of(io::stdin());
    size.map_or((80, 24), |(width, height)| (width.0, height.0))
}

/// Whether somebody sits at standard input.
///
/// # Errors
/// When nobody does.
fn somebody() -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("standard input is no terminal")
        .next("without -t a command needs none; -i hands input on"))
}

/// Opens a terminal, and joins it with this one until it ends, or somebody leaves.
pub(crate) async fn attend(
    screen: &Screen,
    asking: &Asked,
    opening: OpenTerminal,
    when_interrupted: WhenInterrupted,
) -> Result<Left, Failure> {
    somebody()?;
    let (cols, rows) = window();
    let ended = asked_to_end()?;
    let terminal = tokio::select! {
        opened = opening.size(cols, rows).into_future() => opened.map_err(|error| asking.failed(&error))?,
        () = ended => return Ok(Left::Interrupted(Shell::GoesOn)),
    };
    screen.explain(&asking.request, terminal.history());
    if !terminal.is_exact() {
        screen.note("this sandbox does not say when the shell ends: Enter, ~ and . leave it");
    }
    let raw = RawMode::begin().map_err(|error| Failure::io("the terminal", &error))?;
    let left = join(screen, asking, terminal, when_interrupted).await;
    if !matches!(left, Ok(Left::Ended(_))) {
        // What ran there had no time to put things back.
        screen.calm();
    }
    drop(raw);
    left
}

async fn join(
    screen: &Screen,
    asking: &Asked,
    mut terminal: Terminal,
    when_interrupted: WhenInterrupted,
) -> Result<Left, Failure> {
    let input = terminal.input();
    let mut windows = WindowChanges::listen()?;
    let ended = asked_to_end()?;
    tokio::pin!(ended);
    let typing = hand_on(input.clone());
    tokio::pin!(typing);
    let mut contact = Contact::Kept;
    loop {
        tokio::select! {
            event = terminal.next() => match event {
                Some(Ok(TerminalEvent::Ended(end))) => return Ok(Left::Ended(end)),
                Some(Ok(event)) => contact = show(screen, event, contact)?,
                Some(Err(error)) => return Err(asking.failed(&error)),
                None => return Err(Failure::new("the terminal ended before its shell did")),
            },
            left = &mut typing => match left {
                Gone::Away => return Ok(Left::Away),
                Gone::Lost => return Ok(interrupted(&mut terminal, when_interrupted).await),
            },
            () = &mut ended => return Ok(interrupted(&mut terminal, when_interrupted).await),
            () = windows.next() => {
                let (cols, rows) = window();
                input.resize(cols, rows);
            }
        }
    }
}

/// Whether the sandbox is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contact {
    Kept,
    /// Not for a while, which was told.
    Lost,
}

fn show(screen: &Screen, event: TerminalEvent, contact: Contact) -> Result<Contact, Failure> {
    match event {
        TerminalEvent::Output(bytes) => screen.raw(&bytes)?,
        TerminalEvent::Missing { bytes } => {
            screen.interject(&format!(
                "{bytes} bytes are missing here: the sandbox does not keep them any more"
            ));
        }
        TerminalEvent::Disconnected => {
            screen.interject("the connection was lost, and is tried again; Enter, ~ and . leave it");
            return Ok(Contact::Lost);
        }
        TerminalEvent::Reconnected { unsure, repeats } => {
            if repeats {
                screen.clear();
            }
            if !unsure.is_empty() {
                let count = unsure.len();
                screen
                    .interject(&format!("the connection was lost; the last {count} bytes typed may be, too"));
            } else if contact == Contact::Lost {
                screen.interject("it goes on");
            }
            return Ok(Contact::Kept);
        }
        _ => {}
    }
    Ok(contact)
}

async fn interrupted(terminal: &mut Terminal, when_interrupted: WhenInterrupted) -> Left {
    if when_interrupted == WhenInterrupted::Leave || !terminal.is_exact() {
        return Left::Interrupted(Shell::GoesOn);
    }
    terminal.input().hang_up();
    let hung_up = tokio::time::timeout(TO_HANG_UP, async {
        while let Some(event) = terminal.next().await {
            if matches!(event, Ok(TerminalEvent::Ended(_))) {
                return Shell::Ended;
            }
        }
        Shell::GoesOn
    });
    Left::Interrupted(hung_up.await.unwrap_or(Shell::GoesOn))
}

/// Why nobody types any more.
enum Gone {
    /// Somebody said so.
    Away,
    /// The terminal is gone.
    Lost,
}

/// Hands on what is typed.
async fn hand_on(input: TerminalInput) -> Gone {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; AT_ONCE];
    let mut escape = Escape::default();
    // A terminal that cannot be read is gone.
    while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
        let Typed { keys, leaves } = escape.read(&buffer[..read]);
        if input.send(keys).await.is_err() {
            // The shell is over, which the other direction tells.
            std::future::pending::<()>().await;
        }
        if leaves {
            return Gone::Away;
        }
    }
    Gone::Lost
}
