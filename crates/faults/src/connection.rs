//! A connection from its acceptance to its end, before and after a protocol is spoken on it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::arrivals::Log;
use crate::step::{Act, End, Step};
use crate::turns::Turns;
use crate::{h1, h2};

/// A reset throws away what the peer's system holds but the peer has not read, on some systems. What
/// was sent on purpose before a reset gets this long to be read.
const BEFORE_RESET: Duration = Duration::from_millis(20);

/// How long the peer's bytes are taken after our FIN. Closing with unread bytes would send an RST.
const LINGER: Duration = Duration::from_secs(1);

/// How often a connection that must not be read is looked at, to notice that the peer has left.
const GLANCE: Duration = Duration::from_millis(10);

/// What every connection of a server shares.
pub(crate) struct Context {
    pub(crate) log: Arc<Log>,
    pub(crate) turns: Turns,
}

pub(crate) async fn serve(mut stream: TcpStream, context: Arc<Context>) {
    // Declared before the stream's use so that it is dropped after it: "closed" is then true.
    let open = context.log.connected();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended as soon as it was accepted");
        return;
    }
    let end = match context.turns.take_before_request(Instant::now()) {
        Some(step) => before_request(&mut stream, &step).await,
        None => match greeting(&mut stream).await {
            Ok((Protocol::Http2, read)) => {
                h2::serve(stream, read, open, context).await;
                return;
            }
            Ok((Protocol::Http1, read)) => h1::serve(&mut stream, read, open.number, &context).await,
            Err(_) => None,
        },
    };
    if let Some(end) = end {
        finish(stream, end).await;
    } else {
        drop(stream);
    }
    drop(open);
}

async fn before_request(stream: &mut TcpStream, step: &Step) -> Option<End> {
    if !sleep_unless_gone(stream, step.delay).await {
        return None;
    }
    match &step.act {
        Act::End(_, end) => Some(*end),
        Act::Garbage(_, bytes, end) => stream.write_all(bytes).await.ok().map(|()| *end),
        Act::Answer(_) | Act::GoAway(_) => None,
    }
}

enum Protocol {
    Http1,
    Http2,
}

/// Reads until it is clear which protocol the client speaks.
async fn greeting(stream: &mut TcpStream) -> io::Result<(Protocol, BytesMut)> {
    let mut read = BytesMut::with_capacity(4096);
    loop {
        let compared = read.len().min(h2::PREFACE.len());
        if read[..compared] != h2::PREFACE[..compared] {
            return Ok((Protocol::Http1, read));
        }
        if compared == h2::PREFACE.len() {
            return Ok((Protocol::Http2, read.split_off(compared)));
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Ends a connection. `Hang` and `Freeze` last until the peer has left.
pub(crate) async fn finish(mut stream: TcpStream, end: End) {
    match end {
        End::Close => close(&mut stream).await,
        End::Reset | End::Stream(_) => {
            tokio::time::sleep(BEFORE_RESET).await;
            if let Err(error) = stream.set_zero_linger() {
                tracing::debug!(%error, "a connection could not be reset");
            }
        }
        End::Hang | End::Freeze => gone(&stream).await,
    }
}

async fn close(stream: &mut TcpStream) {
    let drained = async {
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // The connection is dropped whatever became of it.
    let _ = tokio::time::timeout(LINGER, drained).await;
}

/// Completes when the peer has closed or reset the connection; reads nothing.
///
/// A peer that has only shut down its sending side counts as gone, as most servers hold it.
pub(crate) async fn gone(stream: &TcpStream) {
    while let Ok(ready) = stream.ready(Interest::READABLE).await {
        if ready.is_read_closed() || ready.is_error() {
            return;
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Sleeps; false if the peer left meanwhile.
pub(crate) async fn sleep_unless_gone(stream: &TcpStream, delay: Duration) -> bool {
    if delay.is_zero() {
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(delay) => true,
        () = gone(stream) => false,
    }
}
