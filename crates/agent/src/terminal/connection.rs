//! One connection that shows a session.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use reveille_wire::{TerminalInput, TerminalOutput};

use super::exact::exit;
use super::pty::Size;
use super::session::{Life, Session};
use crate::process::Letters;

/// Whether a client is told of the end of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtTheEnd {
    /// The connection is closed, as the platform's is.
    Closed,
    /// How the shell ended is told before that.
    Told,
}

/// What a connection is closed with when the shell has ended, in the words of the platform.
const SHELL_EXITED: CloseFrame =
    CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::from_static("Shell exited") };

/// Shows `session` until the client leaves.
pub(super) async fn show(socket: WebSocket, session: &Session, at_the_end: AtTheEnd) {
    let (to_client, from_client) = socket.split();
    tokio::select! {
        () = output(to_client, session, at_the_end) => {}
        () = input(from_client, session) => {}
    }
}

/// Says why there is nothing to show.
pub(super) async fn refuse(mut socket: WebSocket, reason: String) {
    // Whoever is gone does not need to know.
    let _gone = socket.send(message(&TerminalOutput::Error { data: reason })).await;
    let _gone = socket.send(Message::Close(None)).await;
}

async fn output(mut to_client: SplitSink<WebSocket, Message>, session: &Session, at_the_end: AtTheEnd) {
    let mut state = session.watch();
    let mut letters = Letters::default();
    let mut from = 0;
    let end = loop {
        let seen = *state.borrow_and_update();
        let rest = session.since(from);
        from = rest.next;
        if rest.missed > 0 {
            // The letter that was begun has lost its end.
            letters = Letters::default();
        }
        let data = letters.add(&rest.bytes);
        if !data.is_empty()
            && to_client.send(message(&TerminalOutput::Output { data, encoding: None })).await.is_err()
        {
            return;
        }
        if seen.written > from {
            continue;
        }
        if let Life::Over(end) = seen.life {
            break end;
        }
        if state.changed().await.is_err() {
            return;
        }
    };
    if at_the_end == AtTheEnd::Told {
        let _gone = to_client.send(message(&exit(end))).await;
    }
    let _gone = to_client.send(Message::Close(Some(SHELL_EXITED))).await;
}

async fn input(mut from_client: SplitStream<WebSocket>, session: &Session) {
    while let Some(Ok(received)) = from_client.next().await {
        // What is no message of a terminal is passed over, as the vendor's server does.
        let Message::Text(text) = received else { continue };
        let done = match serde_json::from_str(&text) {
            Ok(TerminalInput::Input { data, .. }) => session.input(data.as_bytes()).await,
            Ok(TerminalInput::Resize { cols, rows }) => session.resize(Size::new(cols, rows)),
            _ => continue,
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a terminal takes nothing any more");
        }
    }
}

pub(super) fn message(output: &TerminalOutput) -> Message {
    // A word and a text: there is nothing in it that JSON cannot say.
    let mut text = serde_json::to_string(output).unwrap_or_default();
    text.push('\n');
    Message::Text(text.into())
}
