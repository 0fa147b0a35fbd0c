//! HTTP/2 without TLS, frame by frame, so that every frame can be the wrong one.

mod flow;
mod frames;
mod hpack;
mod huffman;
mod reading;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::arrivals::OpenConnection;
use crate::connection::{Context, finish};
use crate::step::End;
use flow::Flow;
pub(crate) use frames::PREFACE;
use reading::Reader;

/// How many frames wait to be written before those who make them have to wait as well.
const QUEUE: usize = 16;

enum Out {
    Frame(Bytes),
    End(End),
}

/// What the streams of one connection share.
struct Connection {
    number: u64,
    out: mpsc::Sender<Out>,
    flow: Flow,
    /// The newest stream that the client has opened.
    newest: AtomicU32,
    /// The last stream that is still dealt with, as the last GOAWAY said.
    last: AtomicU32,
}

impl Connection {
    /// Queues something; once the connection is over, waits for the end that comes to every task of it.
    async fn send(&self, out: Out) {
        if self.out.send(out).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn frame(&self, frame: Bytes) {
        self.send(Out::Frame(frame)).await;
    }

    fn is_newest(&self, stream: u32) -> bool {
        self.newest.load(Ordering::Relaxed) == stream
    }
}

pub(crate) async fn serve(stream: TcpStream, read: BytesMut, open: OpenConnection, context: Arc<Context>) {
    let (read_half, mut write_half) = stream.into_split();
    let (out, queue) = mpsc::channel(QUEUE);
    let connection = Arc::new(Connection {
        number: open.number,
        out,
        flow: Flow::new(),
        newest: AtomicU32::new(0),
        last: AtomicU32::new(u32::MAX),
    });
    let mut reader = Reader::new(read_half, read, connection, context);
    let end = tokio::select! {
        end = write(queue, &mut write_half) => end,
        () = reader.run() => None,
    };
    let (read_half, mut streams) = reader.stop();
    // The halves belong together, and what cannot be put together again is closed all the same.
    if let (Some(end), Ok(stream)) = (end, read_half.reunite(write_half)) {
        finish(stream, end).await;
    }
    if matches!(end, None | Some(End::Freeze)) {
        streams.cancel_all();
    }
    drop(open);
}

/// Writes what is queued until the connection is to be ended, or has been ended by the client.
async fn write(mut queue: mpsc::Receiver<Out>, write_half: &mut OwnedWriteHalf) -> Option<End> {
    loop {
        match queue.recv().await? {
            Out::Frame(frame) => write_half.write_all(&frame).await.ok()?,
            Out::End(end) => return Some(end),
        }
    }
}
