//! Bringing a file here.

use std::future::IntoFuture;
use std::path::PathBuf;

use futures_util::StreamExt;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::local::{Coming, Listener, Progress, unwritten};
use super::{Files, not_a_file};
use crate::answer::{Begun, Reading, StreamResponse};
use crate::call::{Call, CallFuture};
use crate::core::runtime::{self, OnFound};
use crate::error::Error;

/// A file that is to be brought here; by [`Files::download`].
///
/// ```
/// # use reveille_faults::{FaultServer, Step};
/// # let server = FaultServer::start(Step::ok("hello").header("Content-Disposition", "attachment"))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// # let place = tempfile::tempdir()?;
/// # let here = place.path().join("hello.txt");
/// let files = client.sandbox("box").files();
/// // The file appears under its name only when all of it has come.
/// let bytes = files.download("/app/hello.txt").to_file(&here).wait()?;
/// assert_eq!((bytes, std::fs::read_to_string(&here)?.as_str()), (5, "hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is given a place to go to"]
pub struct Download {
    call: Call<StreamResponse>,
    listener: Listener,
}

impl Download {
    pub(super) fn new(files: &Files, path: &[u8]) -> Self {
        let reading = Reading::SuccessStream(Box::new(|answer: Box<Begun>| {
            match not_a_file(&answer.headers, answer.version) {
                Some(why) => Err(Error::no_file(why, answer.record)),
                None => Ok(StreamResponse::of(answer)),
            }
        }));
        Self {
            call: Call::new(files.sandbox().core(), files.bytes_of(path), reading),
            listener: Listener::default(),
        }
    }

    /// Calls `hook` after each piece that has come.
    pub fn progress(mut self, hook: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(hook);
        self
    }

    /// Ends it after this long, whatever it is doing.
    pub fn deadline(mut self, most: std::time::Duration) -> Self {
        self.call = self.call.deadline(most);
        self
    }

    /// The file as it comes.
    pub fn stream(self) -> Call<StreamResponse> {
        self.call
    }

    /// Writes it to a file of this machine, which appears under its name only when it is whole. Gives its length. A
    /// pipe, a terminal or a device that is there is not replaced: it gets what comes as it comes.
    pub fn to_file(self, path: impl Into<PathBuf>) -> Transfer {
        let path = path.into();
        Transfer::new(async move {
            // Nothing is made here before it is known that there is something there.
            let answer = self.call.await?;
            let mut coming = Coming::begin(&path).await?;
            let file = &mut coming.file;
            let length = pour(answer, file, &self.listener, |error| unwritten(&path, error)).await?;
            coming.finish().await?;
            Ok(length)
        })
    }

    /// Writes it to `to` as it comes, and gives its length. On an error some of it has been written.
    pub fn to_writer(self, mut to: impl AsyncWrite + Send + Unpin + 'static) -> Transfer {
        Transfer::new(async move {
            let answer = self.call.await?;
            let said = |error| Error::of_file("what came cannot be written", error);
            pour(answer, &mut to, &self.listener, said).await
        })
    }
}

async fn pour(
    mut answer: StreamResponse,
    to: &mut (impl AsyncWrite + Unpin),
    listener: &Listener,
    unwritten: impl Fn(std::io::Error) -> Error,
) -> Result<u64, Error> {
    let total = answer.content_length();
    let mut done = 0;
    while let Some(piece) = answer.next().await {
        let piece = piece?;
        to.write_all(&piece).await.map_err(&unwritten)?;
        done += piece.len() as u64;
        listener.tell(Progress::new(done, total));
    }
    to.flush().await.map_err(&unwritten)?;
    Ok(done)
}

/// Bytes on their way; awaited, or waited for with [`wait`](Self::wait), it gives how many there were.
#[must_use = "nothing is sent until it is awaited, or waited for with `.wait()`"]
pub struct Transfer(CallFuture<u64>);

impl Transfer {
    pub(super) fn new(work: impl Future<Output = Result<u64, Error>> + Send + 'static) -> Self {
        Self(Box::pin(OnFound::new(runtime::here_for_long, work)))
    }

    /// Waits for it on this thread.
    ///
    /// # Errors
    /// See [`Error`].
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<u64, Error> {
        runtime::wait_beside(self.0).map_err(Error::local)?
    }
}

impl IntoFuture for Transfer {
    type Output = Result<u64, Error>;
    type IntoFuture = CallFuture<u64>;

    fn into_future(self) -> CallFuture<u64> {
        self.0
    }
}

impl std::fmt::Debug for Transfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transfer")
    }
}
