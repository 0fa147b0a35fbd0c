//! One connection that shows a session byte for byte: nothing that is typed is lost or typed twice, and what was seen
//! is not shown again.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use reveille_wire::{TerminalInput, TerminalOutput, terminal_bytes};

use super::connection::message;
use super::pty::Size;
use super::session::{Life, Session};
use super::typists::Typist;
use crate::process::End;

/// How much of the output goes in one message, in bytes: what is cut in the middle has to come again.
const PIECE: usize = 16 << 10;

/// Who looks, and from where on.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) typist: Arc<Typist>,
    /// How many bytes of the output he has seen.
    pub(super) from: u64,
}

/// Shows `session` until it is over or the client leaves.
pub(super) async fn show(socket: WebSocket, session: &Session, client: &Client) {
    let (to_client, from_client) = socket.split();
    tokio::select! {
        () = output(to_client, session, client) => {}
        () = input(from_client, session, &client.typist) => {}
    }
}

async fn output(mut to_client: SplitSink<WebSocket, Message>, session: &Session, client: &Client) {
    let (mut state, mut taken) = (session.watch(), client.typist.watch());
    let mut from = client.from;
    let viewer = session.viewer(from);
    taken.mark_changed();
    loop {
        let seen = *state.borrow_and_update();
        let mut told = Vec::new();
        if taken.has_changed().unwrap_or_default() {
            told.push(TerminalOutput::Taken { input: *taken.borrow_and_update() });
        }
        let rest = session.since(from);
        if rest.missed > 0 {
            told.push(TerminalOutput::Truncated { bytes: rest.missed });
        }
        told.extend(rest.bytes.chunks(PIECE).map(TerminalOutput::of_bytes));
        for told in told {
            if to_client.send(message(&told)).await.is_err() {
                return;
            }
        }
        from = rest.next;
        viewer.has_seen(from);
        if seen.written > from {
            continue;
        }
        if let Life::Over(end) = seen.life {
            let _gone = to_client.send(message(&exit(end))).await;
            let _gone = to_client.send(Message::Close(None)).await;
            return;
        }
        let changed = tokio::select! {
            changed = state.changed() => changed,
            changed = taken.changed() => {
                taken.mark_changed();
                changed
            }
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn input(mut from_client: SplitStream<WebSocket>, session: &Session, typist: &Typist) {
    while let Some(Ok(received)) = from_client.next().await {
        let Message::Text(text) = received else { continue };
        let done = match serde_json::from_str(&text) {
            Ok(TerminalInput::Input { data, encoding, at }) => {
                let Ok(bytes) = terminal_bytes(&data, encoding) else { continue };
                match at {
                    Some(at) => session.input_at(typist, at, &bytes).await,
                    None => session.input(&bytes).await,
                }
            }
            Ok(TerminalInput::Resize { cols, rows }) => session.resize(Size::new(cols, rows)),
            Ok(TerminalInput::Hangup) => {
                session.hang_up().await;
                Ok(())
            }
            _ => continue,
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a terminal takes nothing any more");
        }
    }
}

/// How a shell ended, as a client is told.
pub(super) fn exit(end: Option<End>) -> TerminalOutput {
    match end {
        Some(End::Exit(code)) => TerminalOutput::Exit { code: Some(code), signal: None },
        Some(End::Signal(signal)) => TerminalOutput::Exit { code: None, signal: Some(signal) },
        None => TerminalOutput::Exit { code: None, signal: None },
    }
}
