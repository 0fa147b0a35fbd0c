//! Bringing a file into a sandbox.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use http::Method;
use reveille_retry::Replay;
use reveille_wire::{PartName, UploadBegun, UploadEnd, UploadRequest, UploadedPart};
use tokio::fs;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::download::Transfer;
use super::local::{Listener, Progress, unread};
use super::{Files, form};
use crate::call::{Call, segment};
use crate::core::Body;
use crate::error::Error;

/// The size of a part, and the largest file that goes in one, in bytes: that of the platform's own clients.
const PART: u64 = 5 << 20;
/// How many parts there can be.
const PARTS: u64 = 10_000;
/// How many parts are on their way at once when nothing was said.
const AT_ONCE: usize = 4;

const UPLOADS: &str = "/filesystem-multipart";

/// A file that is to be brought into a sandbox; by [`Files::upload`].
///
/// ```
/// # use reveille_faults::{FaultServer, Step};
/// # let server = FaultServer::start(Step::ok(r#"{"path":"/app/f","message":""}"#))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// # let here = tempfile::NamedTempFile::new()?;
/// # std::fs::write(here.path(), "hello")?;
/// let files = client.sandbox("box").files();
/// let bytes = files
///     .upload("/app/hello.txt")
///     .mode(0o600)
///     .progress(|progress| println!("{} of {:?}", progress.done, progress.total))
///     .from_file(here.path())
///     .wait()?;
/// assert_eq!(bytes, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is given something to send"]
pub struct Upload {
    files: Files,
    path: Vec<u8>,
    mode: Option<u32>,
    at_once: usize,
    listener: Listener,
}

impl Upload {
    pub(super) fn new(files: Files, path: &[u8]) -> Self {
        Self { files, path: path.to_owned(), mode: None, at_once: AT_ONCE, listener: Listener::default() }
    }

    /// Gives it this mode if it is new, as in `0o755`. One that is there keeps its own.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sends so many parts at once; 4 when nothing is said.
    pub fn parts_at_once(mut self, parts: usize) -> Self {
        self.at_once = parts.clamp(1, 64);
        self
    }

    /// Calls `hook` when a part has arrived.
    pub fn progress(mut self, hook: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(hook);
        self
    }

    /// Sends a file of this machine.
    pub fn from_file(self, path: impl Into<PathBuf>) -> Transfer {
        let path = path.into();
        Transfer::new(async move {
            let facts = fs::metadata(&path).await.map_err(|error| unread(&path, error))?;
            if !facts.is_file() {
                return Err(Error::input(format!("{} is no file", path.display())));
            }
            // Why it cannot be read is best said here: a request only knows that its body could not be.
            let file = fs::File::open(&path).await.map_err(|error| unread(&path, error))?;
            let length = facts.len();
            if length == 0 {
                // What the system makes while it is read tells how long it is only then.
                return self.from_reader(file).await;
            }
            drop(file);
            if length <= PART {
                return self.whole(Body::file(&path), length).await;
            }
            let size = PART.max(length.div_ceil(PARTS));
            let path: Arc<Path> = path.into();
            let parts = (0..length.div_ceil(size)).map(move |at| {
                let (path, start) = (Arc::clone(&path), at * size);
                let end = length.min(start + size);
                Ok(Part { body: Body::part_of_file(path, start, end - start), length: end - start })
            });
            self.in_parts(stream::iter(parts).boxed(), Some(length)).await
        })
    }

    /// Sends bytes.
    pub fn from_bytes(self, bytes: impl Into<Bytes>) -> Transfer {
        let bytes = bytes.into();
        Transfer::new(async move {
            let length = bytes.len() as u64;
            if length <= PART {
                return self.whole(Body::from(bytes), length).await;
            }
            let size = usize::try_from(PART.max(length.div_ceil(PARTS))).unwrap_or(usize::MAX);
            let starts = (0..bytes.len()).step_by(size);
            let parts: Vec<_> = starts
                .map(|start| bytes.slice(start..bytes.len().min(start + size)))
                .map(|part| Ok(Part { length: part.len() as u64, body: Body::from(part) }))
                .collect();
            self.in_parts(stream::iter(parts).boxed(), Some(length)).await
        })
    }

    /// Sends what a reader gives, to its end. As much of it as is on its way at once stands in memory: 5 MiB for each
    /// part, and at most 50 GB go in all.
    pub fn from_reader(self, from: impl AsyncRead + Send + 'static) -> Transfer {
        Transfer::new(async move {
            let mut from: Pin<Box<dyn AsyncRead + Send>> = Box::pin(from);
            let first = next_part(&mut from).await?;
            if (first.len() as u64) < PART {
                let length = first.len() as u64;
                return self.whole(Body::from(first), length).await;
            }
            let rest = stream::try_unfold(from, |mut from| async move {
                let part = next_part(&mut from).await?;
                Ok((!part.is_empty()).then_some((part, from)))
            });
            let parts = stream::once(async move { Ok(first) }).chain(rest);
            let parts = parts.map_ok(|part| Part { length: part.len() as u64, body: Body::from(part) });
            self.in_parts(parts.boxed(), None).await
        })
    }

    async fn whole(self, body: Body, length: u64) -> Result<u64, Error> {
        let write = self.files.write(&self.path, body);
        match self.mode {
            Some(mode) => write.mode(mode).await?,
            None => write.await?,
        }
        self.listener.tell(Progress::new(length, Some(length)));
        Ok(length)
    }

    async fn in_parts(
        self,
        parts: BoxStream<'static, Result<Part, Error>>,
        total: Option<u64>,
    ) -> Result<u64, Error> {
        let begun = self.begin().await?;
        let sent = match self.send(&begun, parts, total).await {
            Ok(sent) => sent,
            Err(error) => {
                // Whether the parts go away or not, the error is the one that counts.
                if let Ok(abort) = self.call(&begun, Method::DELETE, "/abort") {
                    let _gone = abort.no_retry().await;
                }
                return Err(error);
            }
        };
        let length = sent.iter().map(|part| part.size).sum();
        let parts = sent.into_iter().map(|part| PartName { part_number: part.part_number, etag: part.etag });
        let mut call = self.call(&begun, Method::POST, "/complete")?;
        call.operation = call.operation.json(&UploadEnd { parts: parts.collect() });
        call.await?;
        Ok(length)
    }

    async fn begin(&self) -> Result<UploadBegun, Error> {
        let operation = self.files.at(Method::POST, &format!("{UPLOADS}/initiate"), &self.path);
        let mut request = UploadRequest::default();
        request.permissions = self.mode.map(|mode| format!("{:04o}", mode & 0o7777));
        Call::json(self.files.sandbox().core(), operation.json(&request)).await
    }

    /// Sends all parts, some at once, and gives them in order.
    async fn send(
        &self,
        begun: &UploadBegun,
        parts: BoxStream<'static, Result<Part, Error>>,
        total: Option<u64>,
    ) -> Result<Vec<UploadedPart>, Error> {
        let done = Arc::new(AtomicU64::new(0));
        let sending = parts.zip(stream::iter(1_u32..)).map(|(part, number)| {
            let done = Arc::clone(&done);
            async move {
                let part = part?;
                if u64::from(number) > PARTS {
                    return Err(Error::input("what is to be sent is larger than 10,000 parts of 5 MiB"));
                }
                let (length, sent) = (part.length, self.part(begun, number, part.body)?.await?);
                let done = done.fetch_add(length, Ordering::Relaxed) + length;
                self.listener.tell(Progress::new(done, total));
                if sent.size != length {
                    return Err(Error::input(format!(
                        "part {number} arrived with {} of {length} bytes",
                        sent.size
                    )));
                }
                Ok(sent)
            }
        });
        let mut sent: Vec<UploadedPart> = sending.buffer_unordered(self.at_once).try_collect().await?;
        sent.sort_by_key(|part| part.part_number);
        Ok(sent)
    }

    fn part(&self, begun: &UploadBegun, number: u32, body: Body) -> Result<Call<UploadedPart>, Error> {
        let path = format!("{UPLOADS}/{}/part", segment("upload id", &begun.upload_id)?);
        let mut operation = self.files.sandbox().endpoint(Method::PUT, Ok(path)).declare(Replay::Vouched);
        operation.query("partNumber", &number.to_string());
        let core = self.files.sandbox().core();
        let policy = core.settings.upload_policy();
        Ok(Call::json(core, form::put(operation, body, None)).retry(policy))
    }

    fn call(&self, begun: &UploadBegun, method: Method, what: &str) -> Result<Call<()>, Error> {
        let path = format!("{UPLOADS}/{}{what}", segment("upload id", &begun.upload_id)?);
        let operation = self.files.sandbox().endpoint(method, Ok(path));
        Ok(Call::empty(self.files.sandbox().core(), operation))
    }
}

/// A part of a file.
#[derive(Debug)]
struct Part {
    body: Body,
    length: u64,
}

/// The next part of a reader: a whole one, or less at its end.
async fn next_part(from: &mut Pin<Box<dyn AsyncRead + Send>>) -> Result<Bytes, Error> {
    let mut part = Vec::new();
    let read = from.as_mut().take(PART).read_to_end(&mut part).await;
    read.map_err(|error| Error::of_file("what is to be sent cannot be read", error))?;
    Ok(part.into())
}
