//! A connection that closes without taking its last answer back.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::Readable;

/// How long a connection that is done waits for what the client sends next.
const SILENT: Duration = Duration::from_secs(2);
/// How long it waits at the most, whatever the client sends.
const LONGEST: Duration = Duration::from_secs(30);

/// A connection that closes like a polite server (RFC 9112, section 9.6).
///
/// Shut down, it ends its own side and reads on for a while: closed at once with something unread, the kernel would
/// reset it, and the last answer might be lost. It waits for 2 s of silence, and 30 s at the most.
///
/// ```
/// use reveille_http1::Lingering;
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(64);
/// let mut server = Lingering::new(server);
/// client.write_all(b"more than anybody reads").await?;
/// server.write_all(b"the answer").await?;
/// let closing = tokio::spawn(async move { server.shutdown().await });
///
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "the answer");
/// drop(client);
/// closing.await?
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Lingering<S> {
    stream: S,
    /// Where it reads on only if something was left unread.
    unread: Option<Unread>,
    closing: Option<Closing>,
}

/// Whether a connection has answered a request that it has not read to its end.
///
/// ```
/// use reveille_http1::{Lingering, Unread};
/// use tokio::io::AsyncWriteExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (_client, server) = tokio::io::duplex(64);
/// let mut server = Lingering::if_unread(server, Unread::default());
/// server.shutdown().await // at once, as nothing was left unread
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Unread(Arc<AtomicBool>);

impl Unread {
    /// It has: whoever sent the request may still be sending.
    pub fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
struct Closing {
    silence: Pin<Box<Sleep>>,
    end: Instant,
}

impl Closing {
    fn begin() -> Self {
        let now = Instant::now();
        Self { silence: Box::pin(tokio::time::sleep_until(now + SILENT)), end: now + LONGEST }
    }

    fn heard(&mut self) {
        let next = (Instant::now() + SILENT).min(self.end);
        self.silence.as_mut().reset(next);
    }
}

impl<S> Lingering<S> {
    /// One that always reads on.
    pub fn new(stream: S) -> Self {
        Self { stream, unread: None, closing: None }
    }

    /// One that reads on if something was left unread.
    pub fn if_unread(stream: S, unread: Unread) -> Self {
        Self { stream, unread: Some(unread), closing: None }
    }

    /// What it reads and writes.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// What it reads and writes, without its politeness.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    /// Reads and drops what still comes, until the client ends its side or the time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closing = self.closing.get_or_insert_with(Closing::begin);
        if closing.silence.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [MaybeUninit::uninit(); 64 * 1024];
        // Bounded, so that a fast client does not keep this thread; the time is looked at in between.
        for _ in 0..16 {
            let mut buffer = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => closing.heard(),
                Poll::Ready(_) => return Poll::Ready(()),
                // The timer has been set anew meanwhile, and tells nobody unless it is asked.
                Poll::Pending => return closing.silence.as_mut().poll(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: Readable> Readable for Lingering<S> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_readable(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if self.unread.as_ref().is_some_and(|unread| !unread.is_noted()) {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// How long a connection takes to close whose client says something each second, so many times.
    async fn closing(times: u32) -> Duration {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Lingering::new(server);
        let began = Instant::now();
        let closing = tokio::spawn(async move { server.shutdown().await.map(|()| began.elapsed()) });
        for _ in 0..times {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // It may be gone.
            let _ = client.write_all(b"more").await;
        }
        closing.await.unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_silence_and_no_longer_than_it_may() {
        assert_eq!(closing(0).await.as_secs(), 2);
        assert_eq!(closing(5).await.as_secs(), 7);
        assert_eq!(closing(100).await.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_client() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Lingering::new(server);
        client.write_all(b"unread").await.unwrap();
        server.write_all(b"said").await.unwrap();
        let closing = tokio::spawn(async move { server.shutdown().await });
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        let began = Instant::now();
        drop(client);
        closing.await.unwrap().unwrap();
        assert_eq!((said.as_str(), began.elapsed()), ("said", Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn where_that_is_asked_for_it_waits_only_if_something_was_left_unread() {
        for (is_noted, seconds) in [(false, 0), (true, 2)] {
            let (_client, server) = tokio::io::duplex(64);
            let unread = Unread::default();
            let mut server = Lingering::if_unread(server, unread.clone());
            if is_noted {
                unread.note();
            }
            let began = Instant::now();
            server.shutdown().await.unwrap();
            assert_eq!(began.elapsed().as_secs(), seconds);
        }
    }
}
